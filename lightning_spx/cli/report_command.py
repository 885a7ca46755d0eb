"""Parses and runs `spx report`, which reads files and needs no model."""

from jsonargparse import ArgumentParser, Namespace

from lightning_spx.evaluation.commands.report import report


def run_report(words: list[str]) -> None:
    """Parse the words of `spx report` and write the page."""
    parser = report_parser()
    parser.prog = "spx report"
    run_report_settings(parser, parser.parse_args(words[1:]))


def report_parser() -> ArgumentParser:
    """Return the parser of `spx report`."""
    parser = ArgumentParser(exit_on_error=False, description="Write a study as one HTML page.")
    parser.add_argument("run", type=str, help="folder of a finished study.")
    parser.add_function_arguments(report, skip={"run"})
    return parser


def run_report_settings(parser: ArgumentParser, settings: Namespace) -> None:
    """Write the page of parsed settings, and say where it is."""
    print(f"report: {report(**vars(parser.instantiate(settings)))}")
