import fc from 'fast-check';

/** Any text there can be: many controls, all of Unicode, halves of pairs. (fast-check's own takes seconds to prepare.) */
export function wildText(maxLength: number): fc.Arbitrary<string> {
  const unit = fc.oneof(fc.integer({ min: 0, max: 0xff }), fc.integer({ min: 0, max: 0xff_ff }));
  return fc.array(unit, { maxLength }).map((units) => String.fromCharCode(...units));
}
