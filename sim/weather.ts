import type { Random } from './random.ts';

/** How bad the world is. Probabilities are per occasion, and 0 in most worlds for most faults: a swarm finds more than a storm. */
export interface Weather {
  /** The controller dies: per step of an effect, per append (before or after it was durable), and out of nowhere. */
  crashInEffect: number;
  crashInAppend: number;
  readonly crashEveryMs: number;
  /** The controller is asked to stop and started again. */
  readonly stopEveryMs: number;
  /** The whole host dies: controller, callers and their commands. */
  readonly powerCutEveryMs: number;
  readonly downMsMax: number;
  /** The disk is full for a while. */
  readonly fullEveryMs: number;
  readonly fullMsMax: number;
  appendMsMax: number;
  storageMsMax: number;
  storageRefuses: number;
  storageThrows: number;
  storageHangs: number;
  readBackFails: number;
  stopRefuses: number;
  stopHangs: number;
  readonly wallJumpEveryMs: number;
  /** A connection breaks before the answer is there. */
  answerLost: number;
  readonly netMsMax: number;
  readonly callerDies: number;
  readonly callerStalls: number;
  readonly staleFence: number;
  /** Between two callers, and between two deeds of the operator. */
  readonly callerEveryMs: number;
  /** Nodes in the mesh; in most worlds there are none. */
  readonly nodes: number;
  /** How long a node stays halted without a word. */
  readonly haltMs: number;
  readonly nodeDiesEveryMs: number;
  readonly nodeDownMsMax: number;
  readonly nodeStallsEveryMs: number;
  readonly nodeCutEveryMs: number;
  messageLost: number;
  messageTwice: number;
  readonly messageMsMax: number;
  readonly flushMsMax: number;
  flushFails: number;
  flushHangs: number;
  /** Something happens to a node while it is halted. */
  haltTroubles: number;
  readonly operatorEveryMs: number;
}

/**
 * @param fair no faults at all, only callers and an operator
 * @param mesh there are nodes; otherwise the seed decides
 */
export function forecast(random: Random, fair: boolean, mesh: boolean): Weather {
  const sometimes = (chance: number, value: () => number): number => (random.chance(chance) && !fair ? value() : 0);
  return {
    crashInEffect: sometimes(0.4, () => random.fraction() * 0.05),
    crashInAppend: sometimes(0.4, () => random.fraction() * 0.03),
    crashEveryMs: sometimes(0.5, () => random.int(5_000, 60_000)),
    stopEveryMs: sometimes(0.2, () => random.int(10_000, 60_000)),
    powerCutEveryMs: sometimes(0.15, () => random.int(20_000, 90_000)),
    downMsMax: random.pick([10, 1_000, 5_000, 30_000]),
    fullEveryMs: sometimes(0.3, () => random.int(5_000, 60_000)),
    fullMsMax: random.pick([500, 3_000, 15_000]),
    appendMsMax: random.pick([0, 5, 50, sometimes(0.5, () => 4_000)]),
    storageMsMax: random.pick([0, 20, 500, 8_000]),
    storageRefuses: sometimes(0.4, () => random.fraction() * 0.15),
    storageThrows: sometimes(0.4, () => random.fraction() * 0.1),
    storageHangs: sometimes(0.3, () => random.fraction() * 0.08),
    readBackFails: sometimes(0.2, () => random.fraction() * 0.1),
    stopRefuses: sometimes(0.3, () => random.fraction() * 0.3),
    stopHangs: sometimes(0.2, () => random.fraction() * 0.2),
    wallJumpEveryMs: sometimes(0.3, () => random.int(5_000, 60_000)),
    answerLost: sometimes(0.4, () => random.fraction() * 0.1),
    netMsMax: random.pick([1, 20, 300]),
    callerDies: sometimes(0.6, () => random.fraction() * 0.5),
    callerStalls: sometimes(0.4, () => random.fraction() * 0.4),
    staleFence: random.chance(0.5) ? 0.15 : 0,
    callerEveryMs: random.pick([800, 2_000, 4_000, 8_000]),
    nodes: random.chance(0.4) || mesh ? random.int(1, 4) : 0,
    haltMs: random.pick([600, 3_000, 10_000]),
    nodeDiesEveryMs: sometimes(0.4, () => random.int(3_000, 40_000)),
    nodeDownMsMax: random.pick([10, 2_000, 20_000]),
    nodeStallsEveryMs: sometimes(0.4, () => random.int(3_000, 40_000)),
    nodeCutEveryMs: sometimes(0.4, () => random.int(3_000, 40_000)),
    messageLost: sometimes(0.5, () => random.fraction() * 0.3),
    messageTwice: sometimes(0.5, () => random.fraction() * 0.3),
    messageMsMax: random.pick([1, 50, 1_000, 6_000]),
    flushMsMax: random.pick([5, 200, 3_000]),
    flushFails: sometimes(0.3, () => random.fraction() * 0.2),
    flushHangs: sometimes(0.3, () => random.fraction() * 0.2),
    haltTroubles: sometimes(0.6, () => random.fraction() * 0.5),
    operatorEveryMs: random.chance(0.8) ? random.int(1_000, 15_000) : 0,
  };
}

/** The storm is over: what was begun may end. */
export function calmDown(weather: Weather): void {
  weather.crashInEffect = 0;
  weather.crashInAppend = 0;
  weather.appendMsMax = 0;
  weather.storageMsMax = 20;
  weather.storageRefuses = 0;
  weather.storageThrows = 0;
  weather.storageHangs = 0;
  weather.readBackFails = 0;
  weather.stopRefuses = 0;
  weather.stopHangs = 0;
  weather.answerLost = 0;
  weather.messageLost = 0;
  weather.messageTwice = 0;
  weather.flushFails = 0;
  weather.flushHangs = 0;
  weather.haltTroubles = 0;
}
