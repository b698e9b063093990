"""The command line ``ai-admin``: serve, demo, chat, company, lexicon, models, reset. Entry: app.cli.main."""
