"""The command line ``ai-admin``: serve, demo, chat, company, models, reset. Entry: app.cli.main."""
