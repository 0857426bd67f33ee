// An ID token of another account, used on some URLs. The default credentials
// may be of any kind that can impersonate.
//
// usage: impersonate.js ACCOUNT AUDIENCE URL...

const {GoogleAuth, IdTokenClient, Impersonated} = require('google-auth-library');

async function main([targetPrincipal, targetAudience, ...urls]) {
  const scopes = ['https://www.googleapis.com/auth/cloud-platform'];
  const sourceClient = await new GoogleAuth({scopes}).getClient();
  const idTokenProvider = new Impersonated({sourceClient, targetPrincipal, targetScopes: scopes});
  const token = await idTokenProvider.fetchIdToken(targetAudience, {includeEmail: true});
  const client = new IdTokenClient({targetAudience, idTokenProvider});
  const statuses = [];
  for (const url of urls) {
    const answer = await client.request({url, validateStatus: () => true});
    statuses.push(answer.status);
  }
  console.log(JSON.stringify({token, statuses}));
}

main(process.argv.slice(2));
