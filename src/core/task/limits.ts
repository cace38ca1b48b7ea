/** A task is read whole, and what is run is exactly what was read. Bytes. */
export const TASK_BYTES_MAX = 16 * 1024 * 1024;

/** One that comes by the controller has to fit into a frame of a node's link. Bytes. */
export const DROP_BYTES_MAX = 128 * 1024;
