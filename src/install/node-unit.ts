import { inUnit } from './unit-words.ts';

export const NODE_UNIT = 'shadow-writer.service';

export interface NodeUnit {
  /** The executable, absolute. */
  readonly program: string;
  /** HAUKI_NODE_HOME */
  readonly home: string;
}

/** The unit of a node process; packaging/systemd/ has it with the usual paths. Why it is not closed further: docs/services.md. */
export function nodeUnit({ program, home }: NodeUnit): string {
  return `# Written by "hauki node install"; what is to be otherwise belongs into ${NODE_UNIT}.d/.
[Unit]
Description=hauki node: takes part in the mesh, halts and flushes
After=network-online.target local-fs.target
Wants=network-online.target
StartLimitIntervalSec=10min
StartLimitBurst=50

[Service]
Type=notify
NotifyAccess=main
Environment=${inUnit(`HAUKI_NODE_HOME=${home}`)}
ExecStart=${inUnit(program)} node run
TimeoutStartSec=2min
# It says that it is alive when it has made a heartbeat since it was last asked; one that hangs is killed and started again, and thaws.
WatchdogSec=30s
WatchdogSignal=SIGKILL
Restart=always
RestartSec=2s
# A stop leaves the watchdog of what is frozen its second.
KillMode=mixed
TimeoutStopSec=20s
# A key of the vault, readable by this service alone:
#LoadCredential=vault.key:/etc/hauki/vault.key

UMask=0077
# Its tasks change what it is there to change: they are root of this container or host, but for what no task needs.
NoNewPrivileges=yes
CapabilityBoundingSet=~CAP_AUDIT_CONTROL CAP_AUDIT_READ CAP_BLOCK_SUSPEND CAP_BPF CAP_LEASE CAP_MAC_ADMIN CAP_MAC_OVERRIDE CAP_PERFMON CAP_SYSLOG CAP_SYS_BOOT CAP_SYS_MODULE CAP_SYS_PACCT CAP_SYS_RAWIO CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_WAKE_ALARM
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
LockPersonality=yes
KeyringMode=private
ProtectClock=yes
ProtectHostname=yes
SystemCallArchitectures=native
SystemCallFilter=~@clock @cpu-emulation @debug @module @obsolete @raw-io @reboot @swap
SystemCallErrorNumber=EPERM
DevicePolicy=closed
DeviceAllow=/dev/fuse rw
# Not here, because each gives the service mounts of its own: the vault it mounts would be seen by nobody else, and a task dropped into it by
# nobody at all. ProtectSystem=, ProtectHome=, PrivateTmp=, PrivateDevices=, ProtectKernelTunables=, ProtectKernelModules=, ProtectKernelLogs=,
# ProtectControlGroups= (what is frozen is a control group). Not RestrictSUIDSGID=: a task may install a program.
# Where there is no vault and tasks keep to some folders, shadow-writer.strict.conf closes all of them.

[Install]
WantedBy=multi-user.target
`;
}
