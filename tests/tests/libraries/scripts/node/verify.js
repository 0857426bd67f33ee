// Verifies ID tokens and an IAP assertion with the certificates that Google
// publishes: the claims, or the words of the refusal.
//
// stdin: [{"kind": "id_token" | "iap", "token", "audience"}]

const {readFileSync} = require('node:fs');
const {OAuth2Client} = require('google-auth-library');

async function verify({kind, token, audience}) {
  const client = new OAuth2Client();
  if (kind === 'iap') {
    const {pubkeys} = await client.getIapPublicKeysAsync();
    const issuers = ['https://cloud.google.com/iap'];
    return client.verifySignedJwtWithCertsAsync(token, pubkeys, audience, issuers);
  }
  return client.verifyIdToken({idToken: token, audience});
}

async function result(asked) {
  try {
    return {claims: (await verify(asked)).getPayload()};
  } catch (error) {
    return {error: error.name, message: error.message};
  }
}

const cases = JSON.parse(readFileSync(0, 'utf8'));
Promise.all(cases.map(result)).then(results => console.log(JSON.stringify(results)));
