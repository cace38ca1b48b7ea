/**
 * The name that nodes check, by whatever address they reach it: the controller of this mesh. A node's certificate does not carry it, and
 * is for clients only, so no node can stand in for the controller.
 */
export function controllerName(mesh: string): string {
  return `controller.${mesh}.hauki.internal`;
}

/** What a mesh's CA is called. */
export function authorityName(mesh: string): string {
  return `hauki mesh ${mesh}`;
}

/** The mesh's id from its CA's subject, as node:crypto writes one; undefined for a CA that is not hauki's. */
export function meshNamedIn(subject: string): string | undefined {
  return /^CN=hauki mesh ([0-9a-f]{16})$/m.exec(subject)?.[1];
}
