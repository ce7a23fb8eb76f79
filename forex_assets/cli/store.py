"""Command that copies a store."""

from pathlib import Path
from typing import Annotated

import typer

from forex_assets.cli.common import BAD_USAGE, OPERATIONS, AsJson, answer, app, err, fail, reported

store_app = typer.Typer(no_args_is_help=True, help="Copy tables, records and settings between stores.")
app.add_typer(store_app, name="store", rich_help_panel=OPERATIONS)

EXAMPLES = (
    "Examples:  forex-assets store copy warehouse s3://desk/usdclp  ·  "
    "store copy configs s3://desk/usdclp/configs  ·  store copy s3://desk/usdclp warehouse-copy"
)


@store_app.command(epilog=EXAMPLES)
@reported
def copy(
    source: Annotated[str, typer.Argument(metavar="FROM", help="A folder, or s3://, gs://, az://.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="A folder, or s3://, gs://, az://.")],
    as_json: AsJson = False,
) -> None:
    """Copy every key that the target lacks, and read each back.

    Nothing is overwritten; an interrupted copy goes on where it ended. Locks, archives and the databases of Dagster and
    MLflow stay behind. Stop the services that write to either store first.
    """
    from forex_assets.core.store.address import address_fault, is_remote
    from forex_assets.core.store.copying import copy_store
    from forex_assets.core.store.opening import open_store

    for address in (source, target):
        if fault := address_fault(address):
            fail(f"{address}: {fault}", BAD_USAGE)
    if not is_remote(source) and not Path(source).is_dir():
        fail(f"{source}: there is no such folder", BAD_USAGE)
    with err.status("copying …"):
        copied = copy_store(open_store(source), open_store(target))
    record = {"from": source, "to": target, "written": copied.written, "present": copied.present, "bytes": copied.size}
    words = f"{copied.written} keys copied to {target} and read back ({copied.size / 2**20:,.1f} MiB)"
    answer(as_json, record, [f"{words}; {copied.present} were there already"])
