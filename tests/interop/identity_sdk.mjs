// SPDX-License-Identifier: MIT
// A token by @azure/identity, as identity_sdk.py has it.
import { createRequire } from "node:module";
const require = createRequire(`${process.env.identity_node}/package.json`);
const identity = require("@azure/identity");

const o = JSON.parse(process.argv[2]);
const entra = { authorityHost: o.authority, disableInstanceDiscovery: true };
const credential = o.kind === "secret" ? new identity.ClientSecretCredential(o.tenant, o.client, o.secret, entra)
  : o.kind === "certificate" ? new identity.ClientCertificateCredential(o.tenant, o.client, o.certificate, entra)
  : o.kind === "workload" ? new identity.WorkloadIdentityCredential({ tenantId: o.tenant, clientId: o.client, tokenFilePath: o.file, ...entra })
  : o.object ? new identity.ManagedIdentityCredential({ objectId: o.object })
  : o.resource ? new identity.ManagedIdentityCredential({ resourceId: o.resource })
  : o.client ? new identity.ManagedIdentityCredential({ clientId: o.client }) : new identity.ManagedIdentityCredential();
try {
  const token = await credential.getToken("https://monitor.azure.com/.default");
  console.log(JSON.stringify({ token: token.token, expires_on: token.expiresOnTimestamp / 1000 }));
} catch (e) {
  console.log(JSON.stringify({ error: `${e.name}: ${e.message}` }));
}
