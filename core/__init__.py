"""What every room stands on: tenants, database, time, money, phones, errors, events. Knows no other room."""
