"""How Moodle says no, word for word as recorded: three fields, a fourth when the site is debugged."""

from __future__ import annotations

_CORE = "core\\exception\\"
_PARAMETER = "Invalid parameter value detected"


class RefusedError(Exception):
    """A call that is not done; everything it did so far is taken back.

    Args:
        exception: the PHP class.
        code: errorcode.
        message: for people.
        debug: what a site with debugging on adds.
    """

    def __init__(self, exception: str, code: str, message: str, debug: str = "") -> None:
        super().__init__(message)
        self.exception, self.code, self.message, self.debug = exception, code, message, debug

    def answer(self, *, debugging: bool) -> dict[str, str]:
        """The answer."""
        said = {"exception": self.exception, "errorcode": self.code, "message": self.message}
        return said | {"debuginfo": self.debug} if debugging and self.debug else said


def moodle(code: str, message: str = "") -> RefusedError:
    """A `moodle_exception`; without a text of its own the message is the code."""
    return RefusedError(f"{_CORE}moodle_exception", code, message or f"error/{code}")


def parameter(debug: str) -> RefusedError:
    """An `invalid_parameter_exception`, which hides its cause from all but a debugged site."""
    return RefusedError(f"{_CORE}invalid_parameter_exception", "invalidparameter", _PARAMETER, debug)


def nested(where: str, inner: RefusedError) -> RefusedError:
    """The same, one level up."""
    return parameter(f"{where} => {_PARAMETER}: {inner.debug}")


def access() -> RefusedError:
    """A function that the service lacks, a service that is off, a token past its time."""
    return RefusedError("webservice_access_exception", "accessexception", "Access control exception")


def missing(table: str, debug: str = "") -> RefusedError:
    """A record that is not there."""
    said = f"Can't find data record in database table {table}."
    return RefusedError("dml_missing_record_exception", "invalidrecord", said, debug)


def no_user() -> RefusedError:
    """A user that is not there."""
    return RefusedError("dml_missing_record_exception", "invaliduser", "Invalid user")


def not_written() -> RefusedError:
    """A value too long for its column, or two processes with the same unique value."""
    return RefusedError("dml_write_exception", "dmlwriteexception", "Error writing to database")


def database_down() -> RefusedError:
    """No database."""
    said = (
        "<p>Error: Database connection failed</p>\n<p>It is possible that the database is overloaded or otherwise not "
        "running properly.</p>\n<p>The site administrator should also check that the database details have been "
        "correctly specified in config.php</p>"
    )
    return RefusedError("dml_connection_exception", "dbconnectionfailed", said)


def warning(item: str, number: int, code: str, message: str) -> dict[str, object]:
    """What is wrong with one row of a call that did the others."""
    return {"item": item, "itemid": number, "warningcode": code, "message": message}
