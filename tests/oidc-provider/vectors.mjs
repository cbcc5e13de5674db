// Makes api/src/oidc/vectors.json: node vectors.mjs > ../../api/src/oidc/vectors.json, in a folder where
// `npm ci` was run. Keys are new each time, so the file is made once and kept.
import { SignJWT, exportJWK, exportSPKI, generateKeyPair } from 'jose';

const iat = 1790000000;
const claims = {
  iss: 'https://id.example', sub: 'subject-1', aud: 'clearbay', exp: iat + 300, iat, nonce: 'a-nonce', name: 'Nguyễn Văn A',
};
const keys = [];
const tokens = {};
for (const alg of ['RS256', 'ES256', 'EdDSA']) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const kid = `key-${alg}`;
  keys.push({ ...(await exportJWK(publicKey)), kid, use: 'sig', alg });
  const sign = (claims, header) => new SignJWT(claims).setProtectedHeader({ alg, ...header }).sign(privateKey);
  tokens[alg] = await sign(claims, { kid });
  if (alg !== 'RS256') continue;
  tokens.without_kid = await sign(claims, {});
  tokens.crit = await sign(claims, { kid, crit: ['b64'], b64: true });
  // The mistake of libraries that take the algorithm from the token: the public key as a secret.
  const pem = new TextEncoder().encode(await exportSPKI(publicKey));
  tokens.HS256 = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid }).sign(pem);
}
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
tokens.none = `${part({ alg: 'none', kid: 'key-RS256' })}.${part(claims)}.`;
console.log(JSON.stringify({ claims, jwks: { keys }, tokens }, null, 1));
