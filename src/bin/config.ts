import * as z from 'zod';
import { DEFAULT_POLICY, type Policy } from '../core/policy/policy.ts';
import { STREAM_LIMITS, type StreamLimits } from '../doors/http/stream.ts';
import { checkSettings, duration, settingsText } from './settings-file.ts';
import { readYaml } from './settings-yaml.ts';
import { type IrcConfig, ircSchema } from './irc-config.ts';
import { PATIENCE, type Patience } from '../webhooks/courier.ts';

/** What the operator of a controller sets in `HAUKI_HOME/config.yaml`; what is not there stays as it is by default. */
export interface Config {
  readonly policy: Policy;
  /** Share of a file system that is left free, 0 to 1, and the most bytes that this can come to. */
  readonly reserve: { readonly share: number; readonly bytesMax: number };
  readonly mesh: MeshConfig;
  /** How slow a reader of events may be. */
  readonly streams: StreamLimits;
  readonly irc?: IrcConfig;
  readonly webhooks: {
    readonly patience: Patience;
    /** What hooks may call besides loopback and the mesh's networks: host names, addresses, networks. */
    readonly allow: readonly string[];
  };
}

/** Where nodes and programs are let in; see docs/mesh.md. */
export interface MeshConfig {
  /** `host:port` each. */
  readonly listen: readonly string[];
  /** Addresses outside the internal networks that may be listened on all the same. */
  readonly listenAnywhere: readonly string[];
  /** Networks besides the internal ones from which peers are let in. */
  readonly allowNetworks: readonly string[];
}

const MIB = 1024 * 1024;
const ALLOWED = /^[A-Za-z0-9.:_-]+(\/\d{1,3})?$/;
const DEFAULT_RESERVE = { share: 0.05, bytesMax: 256 * MIB };

const keep = z.strictObject({ count: z.int().min(1).optional(), age: duration.optional() });
const schema = z.strictObject({
  retention: z.strictObject({ committed: keep.optional(), failed: keep.optional() }).optional(),
  reserve: z
    .strictObject({ percent: z.number().min(0).max(90).optional(), mib: z.number().min(0).optional() })
    .optional(),
  lease: z
    .strictObject({ ttlMax: duration.optional(), grace: duration.optional(), reattach: duration.optional() })
    .optional(),
  critical: z.strictObject({ datasets: z.array(z.string().min(1)).max(64).optional() }).optional(),
  streams: z.strictObject({ behind: z.int().min(1).optional(), stall: duration.optional() }).optional(),
  webhooks: z
    .strictObject({
      tries: z.int().min(1).max(100).optional(),
      wait: duration.optional(),
      waitMax: duration.optional(),
      timeout: duration.optional(),
      disableAfter: duration.optional(),
      allow: z
        .array(z.string().regex(ALLOWED, 'a host name, an address, or a network such as 192.168.1.0/24'))
        .optional(),
    })
    .optional(),
  nodes: z
    .record(
      z.string(),
      z.strictObject({
        datasets: z.array(z.string().min(1)).optional(),
        modes: z.array(z.enum(['standard', 'critical'])).optional(),
        ttlMax: duration.optional(),
        rate: z.int().min(0).optional(),
      }),
    )
    .optional(),
  listen: z.array(z.string()).optional(),
  listenAnywhere: z.array(z.string()).optional(),
  allowNetworks: z.array(z.string()).optional(),
  irc: ircSchema.optional(),
});

const NO_MESH: MeshConfig = { listen: [], listenAnywhere: [], allowNetworks: [] };

/**
 * Reads the operator's settings. A file that is not there is no error; one that cannot be understood is: a typo must not loosen a
 * policy in silence.
 *
 * @throws RefusedError `usage`, naming the place
 */
export function readConfig(path: string): Config {
  const text = settingsText(path);
  return configOf(text === undefined ? {} : checkSettings(path, readYaml(path, text), schema));
}

function configOf({
  retention,
  reserve,
  lease,
  critical,
  streams,
  webhooks,
  nodes,
  irc,
  ...where
}: z.infer<typeof schema>): Config {
  const kept = (rule: 'committed' | 'failed'): Policy['retention']['committed'] => ({
    countMax: retention?.[rule]?.count ?? DEFAULT_POLICY.retention[rule].countMax,
    ageMsMax: retention?.[rule]?.age ?? DEFAULT_POLICY.retention[rule].ageMsMax,
  });
  const nodePolicies = Object.entries(nodes ?? {}).map(([name, { ttlMax, ...rest }]) => [
    name,
    { ...rest, ...(ttlMax === undefined ? {} : { ttlMsMax: ttlMax }) },
  ]);
  return {
    policy: {
      ...DEFAULT_POLICY,
      ttlMsMax: lease?.ttlMax ?? DEFAULT_POLICY.ttlMsMax,
      graceMs: lease?.grace ?? DEFAULT_POLICY.graceMs,
      reattachMs: lease?.reattach ?? DEFAULT_POLICY.reattachMs,
      criticalDatasets: critical?.datasets ?? DEFAULT_POLICY.criticalDatasets,
      retention: { committed: kept('committed'), failed: kept('failed') },
      nodes: Object.fromEntries(nodePolicies) as Policy['nodes'],
    },
    mesh: {
      listen: where.listen ?? NO_MESH.listen,
      listenAnywhere: where.listenAnywhere ?? NO_MESH.listenAnywhere,
      allowNetworks: where.allowNetworks ?? NO_MESH.allowNetworks,
    },
    reserve: {
      share: reserve?.percent === undefined ? DEFAULT_RESERVE.share : reserve.percent / 100,
      bytesMax: reserve?.mib === undefined ? DEFAULT_RESERVE.bytesMax : reserve.mib * MIB,
    },
    streams: {
      behindMax: streams?.behind ?? STREAM_LIMITS.behindMax,
      stallMs: streams?.stall ?? STREAM_LIMITS.stallMs,
    },
    ...(irc === undefined ? {} : { irc }),
    webhooks: {
      patience: {
        triesMax: webhooks?.tries ?? PATIENCE.triesMax,
        waitMs: webhooks?.wait ?? PATIENCE.waitMs,
        waitMsMax: webhooks?.waitMax ?? PATIENCE.waitMsMax,
        timeoutMs: webhooks?.timeout ?? PATIENCE.timeoutMs,
        disableMs: webhooks?.disableAfter ?? PATIENCE.disableMs,
      },
      allow: webhooks?.allow ?? [],
    },
  };
}
