"""``[libvirt]``: the driver for QEMU and KVM guests."""

from oslo_config import cfg

GROUP = "libvirt"

OPTS = [
    cfg.StrOpt(
        "connection_uri",
        default="qemu:///system",
        help="libvirt's connection URI.",
    ),
    cfg.StrOpt(
        "virt_type",
        default="auto",
        choices=[
            ("auto", "KVM if a probe guest really runs on it, else QEMU's emulation"),
            ("kvm", "hardware virtualisation"),
            ("qemu", "emulation (TCG): slow, works everywhere"),
        ],
        help="How guests are run.",
    ),
    cfg.FloatOpt(
        "kvm_probe_timeout_s",
        default=3.0,
        min=0.1,
        help="Seconds the probe guest of ``virt_type = auto`` has to run on KVM. The answer "
        "is remembered until the host reboots. If the guest is not done in time, emulation gets "
        "as long: if that is not done either, the host is only busy; guests are emulated, and "
        "the next start of the compute service probes again.",
    ),
    cfg.StrOpt(
        "emulator_path",
        default="/usr/bin/qemu-system-x86_64",
        help="The QEMU that the KVM probe starts.",
    ),
    cfg.StrOpt(
        "images_type",
        default="qcow2",
        choices=[
            ("raw", "a full copy of the image in each server's directory"),
            ("qcow2", "a copy-on-write file over a shared base in ``_base``"),
            ("flat", "raw, without hole punching: all blocks are allocated at once"),
            ("rbd", "images in a Ceph pool, cloned copy-on-write from what Glance has there"),
        ],
        help="Storage of local disks (root, ephemeral, swap).",
    ),
    cfg.StrOpt(
        "images_rbd_pool",
        default="vms",
        help="Ceph pool of local disks with ``images_type = rbd``. Hosts may share it.",
    ),
    cfg.StrOpt(
        "images_rbd_ceph_conf",
        default="/etc/ceph/ceph.conf",
        help="Ceph's configuration file, of the cluster with ``images_rbd_pool``.",
    ),
    cfg.ListOpt(
        "images_rbd_glance_pools",
        default=["images"],
        help="Pools that are the image service's alone. An image in any other pool is not "
        "cloned but copied through Glance: users may be able to write locations.",
    ),
    cfg.BoolOpt(
        "images_rbd_never_download",
        default=False,
        deprecated_opts=[
            cfg.DeprecatedOpt("never_download_image_if_on_rbd", group="workarounds"),
        ],
        help="Refuse to build a server whose image would have to be copied into "
        "``images_rbd_pool`` first, because it is not raw or not in the same cluster.",
    ),
    cfg.StrOpt(
        "rbd_user",
        help="cephx user of this host, without ``client.``; unset is Ceph's own default, admin.",
    ),
    cfg.StrOpt(
        "rbd_keyring",
        help="File with the key of ``rbd_user``; unset is what ``images_rbd_ceph_conf`` says.",
    ),
    cfg.StrOpt(
        "rbd_secret_uuid",
        help="UUID of the libvirt secret with the key of ``rbd_user``. If libvirt has no such "
        "secret it is defined, in memory only, with the key of the keyring. Unset, a UUID is "
        "made of the cluster and the user.",
    ),
    cfg.FloatOpt(
        "rbd_timeout_s",
        default=30.0,
        min=1.0,
        help="Seconds the Ceph cluster may be silent before a call is given up.",
    ),
    cfg.IntOpt(
        "rbd_destroy_volume_retries",
        default=12,
        min=1,
        help="How often the removal of a disk is tried while a client has it open: one that "
        "died counts for half a minute.",
    ),
    cfg.FloatOpt(
        "rbd_destroy_volume_retry_interval_s",
        default=5.0,
        min=0.1,
        deprecated_opts=[cfg.DeprecatedOpt("rbd_destroy_volume_retry_interval")],
        help="Seconds between two of these tries.",
    ),
    cfg.BoolOpt(
        "rbd_local_attach",
        default=False,
        help="Map RBD volumes to block devices of this host by its kernel, instead of having "
        "QEMU open them by itself.",
    ),
    cfg.StrOpt(
        "iscsi_initiator",
        default="auto",
        choices=[
            ("auto", "the host's if it has one, else QEMU's"),
            ("host", "the kernel's, by os-brick"),
            ("qemu", "QEMU's own (libiscsi): no device appears on the host"),
        ],
        help="Who logs in to iSCSI targets.",
    ),
    cfg.BoolOpt(
        "volume_use_multipath",
        default=False,
        help="Reach volumes by all their paths; needs a running multipathd.",
    ),
    cfg.StrOpt(
        "nfs_mount_point_base",
        default="$state_path/mnt",
        help="Directory below which NFS shares with volumes are mounted.",
    ),
    cfg.StrOpt(
        "nfs_mount_options",
        help="Options of these mounts, as for ``mount -o``.",
    ),
    cfg.StrOpt(
        "root_helper",
        default="sudo",
        help="Command before which os-brick's privileged helper runs, when this service is "
        "not root.",
    ),
    cfg.FloatOpt(
        "os_brick_timeout_s",
        default=180.0,
        min=1.0,
        help="Seconds that connecting or disconnecting one volume by os-brick may take.",
    ),
    cfg.BoolOpt(
        "force_raw_images",
        default=True,
        help="Convert images to raw when they enter the image cache, so that nothing a "
        "user uploaded is ever parsed again.",
    ),
    cfg.StrOpt(
        "default_ephemeral_format",
        default="ext4",
        choices=["ext4", "vfat"],
        help="File system of ephemeral disks for which the request names none.",
    ),
    cfg.StrOpt(
        "disk_cachemode",
        default="none",
        choices=["none", "writeback", "writethrough", "directsync", "unsafe"],
        help="QEMU's cache mode of file disks. ``none`` needs O_DIRECT; where the file "
        "system lacks it, ``writeback`` is used.",
    ),
    cfg.StrOpt(
        "cpu_mode",
        default="auto",
        choices=[
            ("auto", "host-model on KVM, maximum on QEMU"),
            ("host-model", "the closest named model"),
            ("host-passthrough", "exactly the host's processor"),
            ("maximum", "everything the emulator can do"),
        ],
        help="The guests' processor.",
    ),
    cfg.StrOpt(
        "snapshot_image_format",
        choices=["raw", "qcow2"],
        help="Format of images made of servers with local disks. Unset, it is that of the disk.",
    ),
    cfg.IntOpt(
        "snapshot_timeout_s",
        default=3600,
        min=1,
        help="Seconds that copying the disk of a running guest for an image may take.",
    ),
    cfg.IntOpt(
        "num_pcie_ports",
        default=16,
        min=1,
        max=28,
        help="PCIe root ports of a guest: how many devices, disks at boot and volumes "
        "plugged in later together, it can have.",
    ),
    cfg.IntOpt(
        "device_detach_attempts",
        default=8,
        min=1,
        help="How often a guest is asked to release a volume.",
    ),
    cfg.FloatOpt(
        "device_detach_timeout_s",
        default=20.0,
        min=0.1,
        help="Seconds to wait for the guest's answer to each request to release a volume.",
    ),
    cfg.IntOpt(
        "qemu_img_timeout_s",
        default=1800,
        min=1,
        help="Seconds a qemu-img process may run.",
    ),
    cfg.IntOpt(
        "qemu_img_memory_limit_mib",
        default=1024,
        min=640,
        help="Address space of a qemu-img process: a hostile image cannot take more. "
        "Its up to 64 threads alone reserve 512 MiB for their stacks.",
    ),
    cfg.IntOpt(
        "qemu_img_cpu_limit_s",
        default=30,
        min=1,
        help="CPU seconds of a qemu-img process that only reads an image's header. "
        "Conversions may use ``qemu_img_timeout_s``.",
    ),
]
