"""From what was delivered to one plain file: the contracted member of a zip archive, or the parts put together."""

from __future__ import annotations

from pathlib import Path

from ingestion.delivery import Delivery, DeliveryIncomplete
from ingestion.delivery.identity import describe_incomplete, describe_os_error
from ingestion.foundation import Settings
from ingestion.readers.parts import join_parts


def make_plain_file(delivery: Delivery, settings: Settings, work: Path) -> Path:
    """The single plain data file to read: as delivered, or written below `work`, in bounded memory.

    Raises:
        FileUnreadable: the archive or the parts are not what the contract says; the password is never quoted.
        DeliveryIncomplete: a file went away or may not be read.
    """
    contracted = delivery.dataset.delivery
    is_nothing = delivery.is_empty or (delivery.size == 0 and "empty_file" in contracted.no_data)
    if is_nothing or not (delivery.parts or contracted.archive):
        return delivery.path
    folder = work / "plain"
    folder.mkdir(exist_ok=True)
    try:
        if contracted.archive is None:
            return join_parts(delivery, folder / delivery.path.name)
        from ingestion.readers.archive import unpack_member

        return unpack_member(delivery, contracted.archive, settings, folder)
    except OSError as error:
        if error.filename is None or Path(str(error.filename)) not in (delivery.path, *delivery.parts):
            raise
        what = f"{Path(error.filename).name} {describe_os_error(error)}"
        raise DeliveryIncomplete(describe_incomplete(delivery.dataset, delivery.batch_date, what)) from None
