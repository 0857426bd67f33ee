// An ID token from wherever this program runs, used on some URLs.
//
// usage: fetch_id_token.js AUDIENCE URL...

const {GoogleAuth} = require('google-auth-library');

async function main([audience, ...urls]) {
  const client = await new GoogleAuth().getIdTokenClient(audience);
  const statuses = [];
  for (const url of urls) {
    const answer = await client.request({url, validateStatus: () => true});
    statuses.push(answer.status);
  }
  const token = await client.idTokenProvider.fetchIdToken(audience);
  console.log(JSON.stringify({token, statuses}));
}

main(process.argv.slice(2));
