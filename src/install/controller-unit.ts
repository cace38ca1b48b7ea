import { inUnit } from './unit-words.ts';

export const CONTROLLER_UNIT = 'hauki-controller.service';

export interface ControllerUnit {
  /** Program and arguments, absolute. */
  readonly argv: readonly string[];
  /** HAUKI_HOME */
  readonly home: string;
}

/** The unit of a controller; packaging/systemd/ has it with the usual paths. Why it is not closed further: docs/services.md. */
export function controllerUnit({ argv, home }: ControllerUnit): string {
  return `# Written by "hauki controller install"; what is to be otherwise belongs into ${CONTROLLER_UNIT}.d/.
[Unit]
Description=hauki controller: nothing changes guarded state before it is frozen
After=network-online.target zfs.target local-fs.target
Wants=network-online.target
StartLimitIntervalSec=10min
StartLimitBurst=20

[Service]
Type=notify
NotifyAccess=main
Environment=${inUnit(`HAUKI_HOME=${home}`)}
ExecStart=${argv.map(inUnit).join(' ')}
# A start recovers what a crash left open, which takes as long as it takes.
TimeoutStartSec=10min
# It says that it is alive when a command has gone through its loop; one that hangs is killed and started again, and recovers.
WatchdogSec=30s
WatchdogSignal=SIGKILL
Restart=always
# A process of its own that runs out of memory (a verification, a command) does not take it along.
OOMPolicy=continue
RestartSec=1s
# A stop lets what runs on the storage come to its end.
KillMode=mixed
TimeoutStopSec=30s

UMask=0077
NoNewPrivileges=yes
# Of root's rights, those by which trees are put back as they were, processes of a mutation are found and ended, and pools are used.
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_LINUX_IMMUTABLE CAP_MKNOD CAP_SETFCAP CAP_SYS_ADMIN CAP_SYS_PTRACE CAP_SYS_RESOURCE
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
LockPersonality=yes
KeyringMode=private
ProtectClock=yes
ProtectHostname=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service @mount
SystemCallErrorNumber=EPERM
DevicePolicy=closed
DeviceAllow=/dev/zfs rw
# To put device nodes back, not to use them.
DeviceAllow=block-* m
DeviceAllow=char-* m
# Not here, because each gives the service mounts of its own, and then nobody else sees the evidence that ZFS mounts for it: ProtectSystem=,
# ProtectHome=, PrivateTmp=, PrivateDevices=, ProtectKernelTunables=, ProtectKernelModules=, ProtectKernelLogs=, ProtectControlGroups=.
# Not RestrictSUIDSGID=: a rollback puts set-user-id bits back. Not MemoryDenyWriteExecute=: JavaScript is compiled.
# Where nothing that is guarded is on ZFS, hauki-controller.strict.conf closes all of them.

[Install]
WantedBy=multi-user.target
`;
}
