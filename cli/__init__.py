"""The command line's rooms: what a saved network needs to be used again, and the commands themselves."""
