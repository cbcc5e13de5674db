// The identity provider of tests: node start.mjs PORT CLIENT_ID CLIENT_SECRET REDIRECT_URI [HOST]
// An empty secret makes the client a public one. Whoever types a login is that person, whatever the
// password; those whose name is not below have none. Claims come at the UserInfo endpoint, as
// OpenID Connect Core 5.4 has it where an access token is issued.
import { Provider } from 'oidc-provider';

const [port, client_id, client_secret, redirect_uri, host = '127.0.0.1'] = process.argv.slice(2);
const issuer = `http://${host}:${port}`;
const names = { alice: 'Nguyễn Thị Alice', bob: 'Trần Văn Bob', carol: 'Lê Carol' };

const client = {
  client_id,
  redirect_uris: [redirect_uri],
  response_types: ['code'],
  grant_types: ['authorization_code'],
  token_endpoint_auth_method: client_secret ? 'client_secret_basic' : 'none',
  ...(client_secret && { client_secret }),
};

const provider = new Provider(issuer, {
  clients: [client],
  claims: { openid: ['sub'], profile: ['name'] },
  scopes: ['openid', 'profile'],
  pkce: { required: () => true },
  cookies: { keys: ['a-cookie-key-of-tests'] },
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, name: names[sub.replace('subject-of-', '')] }) }),
  // No page that asks for consent: the login says it all.
  async loadExistingGrant(ctx) {
    const { client, provider, session } = ctx.oidc;
    const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope('openid profile');
    await grant.save();
    return grant;
  },
  features: { devInteractions: { enabled: true } },
});
provider.listen(Number(port), '127.0.0.1', () => console.log(`listening at ${issuer}`));
