// SPDX-License-Identifier: MIT
// Entra for azmonlog, by oauth2-mock-server: which client may have a token, and what its assertion must be, is decided here, by
// node's crypto and by jose. Arguments: folder (with good.pem, good.key, client-cert.pem), a JSON object of tenant, client, secret.
// Prints the port; appends a line for each request to FOLDER/mock.jsonl.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { appendFileSync } from "node:fs";
import crypto from "node:crypto";
import fs from "node:fs";

const require = createRequire(`${process.env.identity_node}/package.json`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const { OAuth2Server } = await load("oauth2-mock-server");
const jose = await load("jose");

const [folder, settings] = process.argv.slice(2);
const { tenant, client, secret } = JSON.parse(settings);
const path = `/${tenant}/oauth2/v2.0/token`;
const certificate = new crypto.X509Certificate(fs.readFileSync(`${folder}/client-cert.pem`));
const server = new OAuth2Server(`${folder}/good.key`, `${folder}/good.pem`, { endpoints: { token: path } });
await server.issuer.keys.generate("PS256");
let audience;
const used = new Set();

// What is wrong with an assertion, by Microsoft's "Certificate credentials": header, claims, signature. "" if nothing is.
function problem(assertion) {
  const [head, claims, signature] = assertion.split(".");
  const h = JSON.parse(Buffer.from(head, "base64url")), c = JSON.parse(Buffer.from(claims, "base64url"));
  const now = Date.now() / 1000;
  const thumbprint = crypto.createHash("sha256").update(certificate.raw).digest("base64url");
  const good = crypto.verify("sha256", Buffer.from(`${head}.${claims}`), { key: certificate.publicKey, padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }, Buffer.from(signature, "base64url"));
  if (h.alg !== "PS256" || h.typ !== "JWT" || h["x5t#S256"] !== thumbprint) return `header ${JSON.stringify(h)}, thumbprint ${thumbprint}`;
  if (c.iss !== client || c.sub !== client || c.aud !== audience) return `claims ${JSON.stringify(c)}, audience ${audience}`;
  if (!(c.nbf <= now + 1 && c.iat <= now + 1 && c.exp > now && c.exp - c.nbf <= 600)) return `times ${JSON.stringify(c)}`;
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(c.jti) || used.has(c.jti)) return `jti ${c.jti}`;
  used.add(c.jti);
  return good ? "" : "signature";
}

server.service.on("beforeResponse", (response, request) => {
  const form = request.body, assertion = form.client_assertion;
  const wrong = form.client_id !== client ? "client_id"
    : form.scope !== "https://monitor.azure.com/.default" ? "scope"
    : assertion ? (form.client_assertion_type !== "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" ? "type" : problem(assertion))
    : form.client_secret !== secret ? "secret" : "";
  if (wrong) {
    response.statusCode = 401;
    const number = assertion ? 700027 : 7000215;
    response.body = { error: "invalid_client", error_description: `AADSTS${number}: mock: ${wrong}`, error_codes: [number] };
  }
  const line = { keys: Object.keys(form), assertion, wrong, token: wrong ? null : crypto.createHash("sha256").update(response.body.access_token).digest("hex").slice(0, 12) };
  const say = () => appendFileSync(`${folder}/mock.jsonl`, `${JSON.stringify(line)}\n`);
  if (!assertion) return say();
  jose.jwtVerify(assertion, certificate.publicKey, { algorithms: ["PS256"], audience, issuer: client, subject: client, typ: "JWT", requiredClaims: ["exp", "nbf", "iat", "jti"], maxTokenAge: "10m" })
    .then((r) => { line.jose = { header: r.protectedHeader, claims: r.payload }; }, (e) => { line.jose = { error: `${e.code}: ${e.message}` }; })
    .then(say);
});

await server.start(0, "127.0.0.1");
audience = `https://127.0.0.1:${server.address().port}${path}`;
console.log(server.address().port);
