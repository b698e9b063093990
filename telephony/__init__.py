"""Call legs: SIP + RTP, Twilio Media Streams; the media clock and call control. Knows neither agent nor CRM."""
