"""One implementation for YCLIENTS and its international twin Altegio; `crm.adapters.yclients` and `.altegio` are its
two profiles. Facts: https://developers.yclients.com/ru/ and https://developer.alteg.io/api (REST API v1)."""
