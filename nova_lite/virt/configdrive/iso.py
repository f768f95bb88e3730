"""Files as an ISO 9660 image, in memory: secrets touch the disk only as part of
the image. Linux reads its Rock Ridge names, Windows its Joliet names."""

import collections.abc
import io
import pathlib
import typing

LABEL = "config-2"
"""What cloud-init looks for."""

_FILE_MODE = 0o100444
_FOLDER_MODE = 0o040555


def image(files: collections.abc.Mapping[str, bytes]) -> bytes:
    """An image with ``files``: their content by path from its root."""
    # Heavy, and only the first config drive of a host needs it.
    import pycdlib

    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, vol_ident=LABEL, sys_ident="LINUX", rock_ridge="1.09", joliet=3)
    folders = {pathlib.PurePosixPath("/"): ""}
    for number, (name, content) in enumerate(files.items()):
        path = pathlib.PurePosixPath("/", name)
        parent = _add_folder(iso, path.parent, folders)
        iso.add_fp(
            io.BytesIO(content),
            len(content),
            iso_path=f"{parent}/F{number}.;1",
            rr_name=path.name,
            joliet_path=str(path),
            file_mode=_FILE_MODE,
        )
    output = io.BytesIO()
    iso.write_fp(output)
    iso.close()
    return output.getvalue()


def _add_folder(
    iso: typing.Any,
    path: pathlib.PurePosixPath,
    folders: dict[pathlib.PurePosixPath, str],
) -> str:
    """The plain ISO 9660 path of a folder, which allows no real names."""
    if path not in folders:
        parent = _add_folder(iso, path.parent, folders)
        folders[path] = f"{parent}/D{len(folders)}"
        iso.add_directory(
            iso_path=folders[path],
            rr_name=path.name,
            joliet_path=str(path),
            file_mode=_FOLDER_MODE,
        )
    return folders[path]
