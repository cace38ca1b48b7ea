import { describe, expect, test } from 'vitest';

import { newSecret, secretOf, signed } from '../../src/webhooks/signature.ts';

describe('a signature', () => {
  test('is the one of the example that Standard Webhooks gives', () => {
    const secret = 'whsec_plJ3nmyCDGBKInavdOK15jsl';
    const body = '{"event_type":"ping","data":{"success":true}}';
    expect(signed('msg_loFOjxBNrRLzqYUf', 1_731_705_121_999, body, secret)).toEqual({
      'webhook-id': 'msg_loFOjxBNrRLzqYUf',
      'webhook-timestamp': '1731705121',
      'webhook-signature': 'v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=',
    });
  });

  test('a secret that is made is one that is taken', () => {
    expect(secretOf(newSecret())).toMatchObject({ ok: true });
    expect(newSecret()).not.toBe(newSecret());
  });

  test.each(['', 'secret', 'whsec_', 'whsec_c2hvcnQ=', `whsec_${'A'.repeat(100)}`, `whsec_${'Ä'.repeat(40)}`])(
    'no secret: %s',
    (text) => expect(secretOf(text)).toMatchObject({ ok: false, error: { code: 'webhook_refused' } }),
  );
});
