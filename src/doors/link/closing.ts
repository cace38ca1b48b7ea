/** Why a controller closes a node's link: WebSocket close codes, explained to people in docs/node.md. 1009 (too big) is the library's. */
export type Closing = readonly [code: number, words: string];

export const STOPPING: Closing = [1001, 'the controller stops'];
export const REPLACED: Closing = [4001, 'the same process has opened a newer link'];
export const REFUSED: Closing = [4003, 'the controller does not let this node in any more'];
export const SILENT: Closing = [4008, 'no heartbeat came for too long'];
export const TWICE: Closing = [4009, 'another process is linked as this node, and is alive'];
export const EXPIRED: Closing = [4010, 'the certificate that this link was opened with does not count any more'];
export const FLOOD: Closing = [4029, 'too many messages'];
export const JUNK: Closing = [4040, 'too many messages that are not understood'];
