"""A process that holds one recognition model: `python -m media_models.recogniser_worker OPTIONS`.

One model serves all calls of the product. A process of its own keeps its CPU and its crashes away from the calls and
their media clock. See `wire` for what is said over the pipe, `line` for the order of service, `turn` for what is known
of one caller's turn, `server` for the threads.
"""
