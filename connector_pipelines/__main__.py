"""Where the command line begins: `connector-pipelines`, or `python -m connector_pipelines`."""

from connector_pipelines.garbage import seldom


def main() -> None:
    """Import the command line and run it."""
    seldom()

    from connector_pipelines import cli

    cli.main()


if __name__ == "__main__":
    main()
