/**
 * A W3C Trace Context: whose work something is part of, as `00-<trace id>-<span id>-<flags>` (55 characters). hauki makes no spans of
 * its own, so it hands the same on to everybody; `tracestate` is left behind, as the recommendation allows.
 */
export type Traceparent = string;

const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/**
 * Reads what somebody sent, or has in its environment. Of a version above 00 the members that are known count, and are handed on as
 * version 00.
 *
 * @returns undefined for anything else: a trace that cannot be read is no reason to refuse what it came with
 */
export function traceparentIn(text: string | undefined): Traceparent | undefined {
  const [, version = '', trace = '', span = '', flags = '', more] = FORM.exec(text?.trim() ?? '') ?? [];
  if (version === '' || version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (/^0+$/.test(trace) || /^0+$/.test(span)) return undefined;
  return `00-${trace}-${span}-${flags}`;
}

/** What log lines carry of it, by the names that OpenTelemetry gives them there. */
export function traceFields(traceparent: Traceparent | undefined): {
  readonly trace_id?: string;
  readonly span_id?: string;
} {
  if (traceparent === undefined) return {};
  const [, trace_id = '', span_id = ''] = traceparent.split('-');
  return { trace_id, span_id };
}
