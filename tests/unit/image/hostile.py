"""Images as an attacker would write them, byte by byte; no tool is used."""

import struct

KIB = 2**10
MIB = 2**20


def qcow2(*, virtual_size=MIB, backing_file=b"", incompatible_features=0):
    """A qcow2 header (version 3), enough to be taken for an image."""
    backing_offset = 512 if backing_file else 0
    header = struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        b"QFI\xfb",
        3,
        backing_offset,
        len(backing_file),
        16,  # clusters of 64 KiB
        virtual_size,
        0,  # not encrypted
        1,
        192 * KIB,
        64 * KIB,
        1,
        0,
        0,
        incompatible_features,
        0,
        0,
        4,
        104,
    )
    return (header.ljust(512, b"\0") + backing_file).ljust(256 * KIB, b"\0")


EXTERNAL_DATA_FILE = 1 << 2
"""The feature bit of a qcow2 whose data is in another file."""


def vmdk(create_type, extent):
    """A sparse VMDK whose descriptor says what it is told to say."""
    descriptor = (
        "# Disk DescriptorFile\n"
        "version=1\n"
        "CID=fffffffe\n"
        "parentCID=ffffffff\n"
        f'createType="{create_type}"\n'
        f"{extent}\n"
    ).encode()
    header = struct.pack(
        "<4sIIQQQQIQQQB",
        b"KDMV",
        1,
        3,
        MIB // 512,
        128,
        1,  # the descriptor is in sector 1
        20,
        512,
        21,
        26,
        128,
        0,
    )
    return (header.ljust(512, b"\0") + descriptor).ljust(128 * KIB, b"\0")


def master_boot_record():
    """The first sector of a disk with one partition that protects a GPT."""
    sector = bytearray(512)
    sector[446:462] = struct.pack("<B3sB3sII", 0, b"\0\x02\0", 0xEE, b"\xff" * 3, 1, 2047)
    sector[510:] = b"\x55\xaa"
    return bytes(sector)


def iso():
    """A primary volume descriptor where ISO 9660 wants it."""
    return (b"\0" * 32 * KIB + b"\x01CD001\x01").ljust(64 * KIB, b"\0")
