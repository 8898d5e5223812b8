"""The command line, one file for each thing a person does. `cli.py` puts them together."""
