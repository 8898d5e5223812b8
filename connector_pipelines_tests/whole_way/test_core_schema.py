"""The tables of core stay as the migrations made them, whatever is synced (requirements G106, K5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines_tests.kept import kept

if TYPE_CHECKING:
    from connector_pipelines.connectors.oneroster.simulator import Simulator

WATCH = """
    CREATE TABLE public.noted (tag text, object text);
    CREATE FUNCTION public.note_made() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO public.noted SELECT command_tag, object_identity FROM pg_event_trigger_ddl_commands()
            WHERE schema_name = 'core';
    END $$;
    CREATE FUNCTION public.note_dropped() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO public.noted SELECT tg_tag, object_identity FROM pg_event_trigger_dropped_objects()
            WHERE schema_name = 'core';
    END $$;
    CREATE EVENT TRIGGER made ON ddl_command_end EXECUTE FUNCTION public.note_made();
    CREATE EVENT TRIGGER dropped ON sql_drop EXECUTE FUNCTION public.note_dropped();
"""
FORGET = "DROP EVENT TRIGGER made; DROP EVENT TRIGGER dropped"


def test_no_statement_changes_core_s_schema(place: Any, simulator: Simulator) -> None:
    """A first sync and one of changes make, alter and drop nothing in core; a hand that does so is noted."""
    with kept(place.url) as connection:
        connection.execute(WATCH)
        try:
            for _ in range(2):
                assert all(done.receipt for done in place.sync(place.source(simulator)).values())
                simulator.evolve(10)
            assert connection.execute("SELECT tag, object FROM public.noted").fetchall() == []
            connection.execute("ALTER TABLE core.students ADD COLUMN intruded text")
            connection.execute("ALTER TABLE core.students DROP COLUMN intruded")
            noted = connection.execute("SELECT tag FROM public.noted").fetchall()
            assert len(noted) >= 2
        finally:
            connection.execute(FORGET)
