# SPDX-License-Identifier: MIT
"""A token by azure-identity. Argument: a JSON object, `kind` and what it needs. Prints the token, or why there is none."""
import json
import sys

from azure import identity

o = json.loads(sys.argv[1])
entra = {"authority": o.get("authority"), "disable_instance_discovery": True}
if o["kind"] == "secret":
    credential = identity.ClientSecretCredential(o["tenant"], o["client"], o["secret"], **entra)
elif o["kind"] == "certificate":
    credential = identity.CertificateCredential(o["tenant"], o["client"], o["certificate"], **entra)
elif o["kind"] == "workload":
    credential = identity.WorkloadIdentityCredential(tenant_id=o["tenant"], client_id=o["client"], token_file_path=o["file"],
                                                     **entra)
elif "object" in o:
    credential = identity.ManagedIdentityCredential(identity_config={"object_id": o["object"]})
elif "resource" in o:
    credential = identity.ManagedIdentityCredential(identity_config={"resource_id": o["resource"]})
else:
    credential = identity.ManagedIdentityCredential(client_id=o.get("client"))
try:
    token = credential.get_token("https://monitor.azure.com/.default")
    print(json.dumps({"token": token.token, "expires_on": token.expires_on}))
except Exception as e:  # whatever it says is the result
    print(json.dumps({"error": f"{type(e).__name__}: {e}"}))
