#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Proves that azmonlog-emulator issues tokens as Azure's endpoints do, refuses what they refuse, and knows its own tokens
# again. Prints TAP.
#
#   EMULATOR=path/to/azmonlog-emulator tests/emulator/test_emulator_identity.sh

# shellcheck source=tests/emulator/help.sh
. "$(dirname "$0")/help.sh" || exit 99

# ask URL [CURL OPTION...] : the status of a request, a GET without options; leaves what post leaves.
ask() {
  truncate -s 0 "$tmp/headers" "$tmp/body"
  curl --silent --show-error --max-time 200 --cacert "$tmp/cert.pem" --dump-header "$tmp/headers" --output "$tmp/body" \
    --write-out '%{http_code}' "$@" 2>"$tmp/curl"
  echo $? >"$tmp/exit"
}

# body EXPRESSION : a Python expression over the JSON of the last answer, as `line`.
body() {
  last "$tmp/body" "$1"
}

# claims EXPRESSION : the same over the claims of the token in it.
claims() {
  python3 -c '
import base64, json, sys
part = json.load(open(sys.argv[1]))["access_token"].split(".")[1]
line = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
print(eval(sys.argv[2]))' "$tmp/body" "$1"
}

token() {
  body 'line["access_token"]'
}

tenant=11111111-1111-1111-1111-111111111111
app=22222222-2222-2222-2222-222222222222
machine=44444444-4444-4444-4444-444444444444
user=55555555-5555-5555-5555-555555555555
monitor=https%3A%2F%2Fmonitor.azure.com
for name in key other; do
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=$name -addext subjectAltName=IP:127.0.0.1 \
    -keyout "$tmp/$name.pem" -out "$tmp/$name-cert.pem" 2>"$tmp/out"
done
cp "$tmp/key-cert.pem" "$tmp/cert.pem"
echo federated.one >"$tmp/federated"
cat >"$tmp/identities" <<END
{"applications": [{"tenant": "$tenant", "client_id": "$app", "object_id": "33333333-3333-3333-3333-333333333333",
                   "secret": "pass&word+ /=", "certificate": "$tmp/key-cert.pem", "federated_token_file": "$tmp/federated"},
                  {"tenant": "$tenant", "client_id": "bare", "secret": "x"}],
 "managed_identities": [{"tenant": "$tenant", "client_id": "$machine", "object_id": "o-machine"},
                        {"tenant": "$tenant", "client_id": "$user", "object_id": "o-user", "resource_id": "/subscriptions/s/u"}]}
END
mkdir "$tmp/arc"

# -------------------------------------------------------------------------------------------- the command line

echo '{"applications": [{"tenant": "t", "client_id": "c"}]}' >"$tmp/bad"
"$emulator" --port 0 --identities "$tmp/bad" 2>"$tmp/err"
is 'an application that cannot show who it is ends the start' $? 1
ok '... with its place' grep -q 'applications\[0\] needs a secret' "$tmp/err"
echo '{"managed_identities": [{"tenant": "t", "client_id": "c", "objectid": "o"}]}' >"$tmp/bad"
"$emulator" --port 0 --identities "$tmp/bad" 2>"$tmp/err"
is '... and so does an unknown key' $? 1
echo short >"$tmp/bad"
"$emulator" --port 0 --token-key "$tmp/bad" 2>"$tmp/err"
is '... and a short key' $? 1
"$emulator" --port 0 --arc-directory "$tmp/none" 2>"$tmp/err"
is '... and a directory that is not there' $? 1
"$emulator" --token-lifetime 500ms 2>"$tmp/err"
is 'a token lives for whole seconds' $? 2

# ------------------------------------------------------------------------------------------------------- IMDS

head -c 32 /dev/urandom >"$tmp/token-key"
start --auth --token-key "$tmp/token-key" --identities "$tmp/identities" --identity-log "$tmp/identity-log" \
  --arc-directory "$tmp/arc" --store "$tmp/store" --requests "$tmp/requests" --token-lifetime 30min --refresh-in 10min
imds="$base/metadata/identity/oauth2/token?api-version=2018-02-01"

is 'IMDS: a token' "$(ask -H 'Metadata: true' "$imds&resource=$monitor") $(answer Content-Type)" \
  '200 application/json; charset=utf-8'
is '... its numbers are texts' \
  "$(body '[line[k] for k in ("expires_in", "refresh_in")] + [int(line["expires_on"]) - int(line["not_before"])]')" \
  "['1800', '600', 1800]"
is '... it says what and whose it is' "$(body '[line[k] for k in ("resource", "token_type", "client_id")]')" \
  "['https://monitor.azure.com', 'Bearer', '$machine']"
is '... and so do its claims' \
  "$(claims '[line[k] for k in ("aud", "iss", "tid", "oid", "appid", "azm_how")] + [line["exp"] - line["nbf"]]')" \
  "['https://monitor.azure.com', 'https://sts.windows.net/$tenant/', '$tenant', 'o-machine', '$machine', 'imds', 1800]"
good=$(token)
is 'a slash behind the path, as of MSAL Node' "$(ask -H 'Metadata: true' "${imds/\?/\/?}&resource=$monitor")" 200
ask -H 'Metadata: true' "$imds&resource=$monitor" >"$tmp/out"
ok 'no two tokens are the same' test "$(token)" != "$good"
is 'the audience with a slash' "$(ask -H 'Metadata: true' "$imds&resource=$monitor%2F") $(claims 'line["aud"]')" \
  '200 https://monitor.azure.com/'

# chosen QUERY : whose token it is.
chosen() {
  ask -H 'Metadata: true' "$imds&resource=$monitor&$1" >"$tmp/out"
  body 'line["client_id"]'
}
is 'by client_id' "$(chosen "client_id=$user")" "$user"
is 'by object_id' "$(chosen object_id=o-user)" "$user"
is 'by msi_res_id' "$(chosen msi_res_id=/subscriptions/s/u)" "$user"

# no_token DESCRIPTION STATUS ERROR PATTERN ASK-ARGUMENT... : an error as OAuth has it.
no_token() {
  local description=$1 status=$2 error=$3 pattern=$4
  shift 4
  is "$description: $status $error" "$(ask "$@") $(body 'line["error"]')" "$status $error"
  ok '... with the reason' grep -q "\"error_description\":\".*$pattern" "$tmp/body"
}
no_token 'a probe without Metadata' 400 invalid_request 'metadata header' "$imds&resource=$monitor"
no_token 'Metadata: True' 400 invalid_request 'metadata header' -H 'Metadata: True' "$imds&resource=$monitor"
no_token 'through a proxy' 400 invalid_request 'X-Forwarded-For' -H 'Metadata: true' -H 'X-Forwarded-For: x' "$imds&resource=$monitor"
no_token 'another api-version' 400 invalid_request 'api-version' -H 'Metadata: true' "${imds/2018/2017}&resource=$monitor"
no_token 'no resource' 400 invalid_request "'resource' is missing" -H 'Metadata: true' "$imds"
no_token 'an unknown resource' 400 invalid_resource 'AADSTS500011' -H 'Metadata: true' "$imds&resource=$monitor/.default"
no_token 'an unknown identity' 400 invalid_request 'Identity not found' -H 'Metadata: true' "$imds&resource=$monitor&client_id=x"
no_token 'two selectors' 400 invalid_request 'At most one' -H 'Metadata: true' "$imds&resource=$monitor&client_id=$user&object_id=o-user"
no_token 'one selector twice' 400 invalid_request 'more than once' -H 'Metadata: true' "$imds&resource=$monitor&client_id=$user&client_id=$user"
no_token "App Service's selector" 400 invalid_request "Unknown query variable 'mi_res_id'" -H 'Metadata: true' "$imds&resource=$monitor&mi_res_id=x"
no_token 'a POST' 405 invalid_request 'GET' -H 'Metadata: true' -d x "$imds&resource=$monitor"
tail -n 2 "$tmp/identity-log" | head -n 1 >"$tmp/line"
is 'the log has what was asked for, and why there is none' \
  "$(last "$tmp/line" '[line[k] for k in ("kind", "status", "resource", "failure")]')" \
  "['imds', 400, 'https://monitor.azure.com', \"Unknown query variable 'mi_res_id'\"]"

# --------------------------------------------------------------------------------------------- the bearer check

# bearer TOKEN [FILE] [CURL OPTION...] : the answer to a post to Azure's path
bearer() {
  post "$azure" "$tmp/one" -H "Authorization: Bearer $1"
  echo " $(answer x-ms-error-code)"
}
is '--auth: a token of the emulator is good' "$(bearer "$good")" '204 '
is 'none is not' "$(post "$azure" "$tmp/one") $(answer x-ms-error-code)" '401 MissingToken'
ok '... and Azure says what it wants' grep -q '^Bearer ' <<<"$(answer WWW-Authenticate)"
is '... another scheme' "$(post "$azure" "$tmp/one" -H 'Authorization: Basic x') $(answer x-ms-error-code)" '401 MissingToken'
is '... no JWT' "$(bearer "${good%.*}")" '401 InvalidToken'
ok '... which the message says' grep -q 'malformed' "$tmp/body"
is '... another signature' "$(bearer "${good%.*}.AAAA")" '401 InvalidToken'
ok '... which the message says' grep -q 'bad signature' "$tmp/body"
ask -H 'Metadata: true' "$imds&resource=https://management.azure.com/" >"$tmp/out"
is '... for another audience' "$(bearer "$(token)")" '401 InvalidAudience'
is 'plain OTLP is never checked' "$(post "$plain" "$tmp/one")" 200
is 'the path is checked before' "$(post "$base${azure_path/dcr-0/dcr-G}" "$tmp/one")" 404
is '... and everything else behind' "$(post "$azure" "$tmp/one" -H 'Transfer-Encoding: chunked')" 401
post "$azure" "$tmp/one" -H "Authorization: Bearer $good" -H 'x-ms-client-request-id: 0815' >"$tmp/out"
is 'the log of requests has a hash of the token, and the id of the client' \
  "$(last "$tmp/requests" '[line["token"], line["client_request_id"]]')" \
  "['$(printf %s "$good" | openssl dgst -sha256 -r | cut -c 1-12)', '0815']"
post "$azure" "$tmp/one" >"$tmp/out"
is '... or null' "$(last "$tmp/requests" '[line["token"], line["client_request_id"]]')" '[None, None]'
script 'request * refuse 403 OperationFailed "The authentication token provided does not have access"'
is 'a missing role is played by the script' "$(bearer "$good")" '403 OperationFailed'
script '# nothing'

# ---------------------------------------------------------------------------------------------------- Entra

url=$base/$tenant/oauth2/v2.0/token
jwt_bearer=client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer
scope='scope=https://monitor.azure.com/.default'

# entra [FIELD...] : asks with these fields of the form
entra() {
  local field arguments=()
  for field; do
    arguments+=(--data-urlencode "$field")
  done
  ask "${arguments[@]}" "$url"
}

# body_error : what kind of error Entra has answered with
body_error() {
  body '"%s %s" % (line["error"], line["error_codes"])'
}

# entra_refused DESCRIPTION STATUS ERROR NUMBER FIELD...
entra_refused() {
  local description=$1 status=$2 error=$3 number=$4
  shift 4
  is "$description: $status $error $number" "$(entra "$@") $(body_error)" "$status $error [$number]"
}
form=(grant_type=client_credentials "client_id=$app" "$scope")
is 'Entra: a secret' "$(entra "${form[@]}" 'client_secret=pass&word+ /=')" 200
is '... its numbers are numbers' "$(body '[line[k] for k in ("token_type", "expires_in", "refresh_in")]')" "['Bearer', 1800, 600]"
is '... and the claims say whose it is' "$(claims '[line[k] for k in ("oid", "appid", "azm_how")]')" \
  "['33333333-3333-3333-3333-333333333333', '$app', 'client-secret']"
is '... it is good' "$(bearer "$(token)")" '204 '
is 'the scope of Application Insights, with two slashes' \
  "$(entra "${form[@]:0:2}" scope=https://monitor.azure.com//.default 'client_secret=pass&word+ /=') $(bearer "$(token)")" '200 204 '
entra_refused 'another secret' 401 invalid_client 7000215 "${form[@]}" 'client_secret=password'
ok '... in Entra'"'s"' words' grep -qE '"error_description":"AADSTS7000215: Invalid client secret provided.* Trace ID: [-0-9a-f]{36} Corr' "$tmp/body"
ok '... with time and ids' grep -qE '"timestamp":"20..-..-.. ..:..:..Z","trace_id":"[-0-9a-f]{36}","correlation_id":"[-0-9a-f]{36}"' "$tmp/body"
entra_refused 'another application' 400 unauthorized_client 700016 "${form[@]/$app/$user}" 'client_secret=password'
entra_refused 'no credential' 401 invalid_client 7000218 "${form[@]}"
entra_refused 'a scope without /.default' 400 invalid_scope 70011 "${form[@]:0:2}" scope=https://monitor.azure.com 'client_secret=pass&word+ /='
entra_refused 'an unknown resource' 400 invalid_resource 500011 "${form[@]:0:2}" scope=https://x/.default 'client_secret=pass&word+ /='
entra_refused 'another grant' 400 unsupported_grant_type 70003 grant_type=password "${form[@]:1}" 'client_secret=x'
entra_refused 'no scope' 400 invalid_request 900144 "${form[@]:0:2}" 'client_secret=x'
entra_refused 'a field twice' 400 invalid_request 9000411 "${form[@]}" client_id=x
url=$base/contoso/oauth2/v2.0/token entra_refused 'another tenant' 400 invalid_request 90002 "${form[@]}" 'client_secret=x'
raw="grant_type=client_credentials&client_id=$app&client_secret=x&scope=https://monitor.azure.com/.default"
is 'a form that is not escaped' "$(ask -d "$raw" "$url") $(body_error)" '400 invalid_request [900144]'
is 'a GET' "$(ask "$url") $(body_error)" '400 invalid_request [900561]'
is 'a Content-Type with a charset, as of MSAL Node' \
  "$(ask -H 'Content-Type: application/x-www-form-urlencoded;charset=utf-8' -d "$raw" "$url") $(body_error)" '400 invalid_request [900144]'
is 'another Content-Type: 415' "$(ask -H 'Content-Type: application/json' -d '{}' "$url") $(body_error)" '415 invalid_request []'
is 'chunked: 411' "$(ask -H 'Transfer-Encoding: chunked' -d "$raw" "$url")" 411
is 'Expect: 417' "$(ask -H 'Expect: 100-continue' -d "$raw" "$url")" 417

# assertion [NAME=VALUE...] : the field with a client assertion
signing=$tmp/key.pem
assertion() {
  echo "client_assertion=$(python3 "$here/make_assertion.py" "$signing" "$tmp/key-cert.pem" $app "$url" "$@")"
}
is 'a certificate' "$(entra "${form[@]}" $jwt_bearer "$(assertion)") $(claims 'line["azm_how"]')" '200 client-certificate'
is 'a certificate, as azure-identity for Python signs' "$(entra "${form[@]}" $jwt_bearer "$(assertion alg=legacy)")" 200
is 'without nbf, as of MSAL Python' "$(entra "${form[@]}" $jwt_bearer "$(assertion nbf=)")" 200
once=$(assertion)
entra "${form[@]}" $jwt_bearer "$once" >"$tmp/out"
entra_refused '... but only once' 401 invalid_client 700027 "${form[@]}" $jwt_bearer "$once"
entra_refused 'without its type' 400 invalid_request 900144 "${form[@]}" "$(assertion)"
entra_refused 'no JWT' 400 invalid_request 50027 "${form[@]}" $jwt_bearer client_assertion=a.b.c
for change in alg=RS256 typ=JWS x5t#S256=abc salt=20; do
  entra_refused "another $change" 401 invalid_client 700027 "${form[@]}" $jwt_bearer "$(assertion $change)"
done
entra_refused 'another subject' 401 invalid_client 700021 "${form[@]}" $jwt_bearer "$(assertion sub=$user)"
entra_refused 'another audience' 401 invalid_client 700023 "${form[@]}" $jwt_bearer "$(assertion "aud=$base/common/oauth2/v2.0/token")"
for change in exp=+601 exp=-1 nbf=+100 nbf=x iat=; do
  entra_refused "another time: $change" 401 invalid_client 700024 "${form[@]}" $jwt_bearer "$(assertion $change)"
done
entra_refused 'no jti' 400 invalid_request 50027 "${form[@]}" $jwt_bearer "$(assertion jti=)"
signing=$tmp/other.pem
entra_refused 'another key' 401 invalid_client 700027 "${form[@]}" $jwt_bearer "$(assertion)"
ok '... which the message says' grep -q 'signature is wrong' "$tmp/body"
signing=$tmp/key.pem
entra_refused 'another certificate' 401 invalid_client 700027 "${form[@]:0:1}" client_id=bare "$scope" $jwt_bearer "$(assertion iss=bare sub=bare)"
url=${url/127.0.0.1/localhost}
is 'the audience is the URL as the client spells it' "$(entra "${form[@]}" $jwt_bearer "$(assertion)")" 200
url=$base/$tenant/oauth2/v2.0/token

is 'a federated token' "$(entra "${form[@]}" $jwt_bearer client_assertion=federated.one) $(claims 'line["azm_how"]')" '200 federated'
echo federated.two >"$tmp/federated"
is '... is what the file has now' "$(entra "${form[@]}" $jwt_bearer client_assertion=federated.two)" 200
entra_refused 'another issuer' 400 invalid_request 70021 "${form[@]}" $jwt_bearer "$(assertion iss=https://kubernetes)"

# ------------------------------------------------------------------------------------------------------ Arc

arc="$base/arc/metadata/identity/oauth2/token?api-version=2020-06-01&resource=$monitor"
is 'Arc: first a challenge' "$(ask -H 'Metadata: true' "$arc")" 401
realm=$(answer WWW-Authenticate)
file=${realm#Basic realm=}
is '... with the path of a key' "${file%/*} ${file##*.} $(stat -c %a "$file")" "$(realpath "$tmp/arc") key 600"
key=$(cat "$file")
is '... which is good for a token' "$(ask -H 'Metadata: true' -H "Authorization: Basic $key" "$arc") $(claims 'line["azm_how"]')" '200 arc'
ok '... and is removed' test ! -e "$file"
is '... for one' "$(ask -H 'Metadata: true' -H "Authorization: Basic $key" "$arc")" 401
ok '... otherwise there is a new challenge' test "$(answer WWW-Authenticate)" != "$realm"
is 'the older api-version' "$(ask -H 'Metadata: true' "${arc/2020-06-01/2019-11-01}")" 401
no_token 'another api-version' 400 invalid_request 'api-version' -H 'Metadata: true' "${arc/2020-06-01/2018-02-01}"
no_token 'no Metadata' 400 invalid_request 'metadata header' "$arc"
no_token 'an unknown resource' 400 invalid_resource 'AADSTS500011' -H 'Metadata: true' "$arc%2Fx"
for _ in $(seq 20); do
  ask -H 'Metadata: true' "$arc" >"$tmp/out"
done
is 'only so many keys lie about' "$(find "$tmp/arc" -name '*.key' | wc -l)" 16

# ---------------------------------------------------------------------------------------------- App Service

app_service="$base/msi/token?api-version=2019-08-01&resource=$monitor"
is 'App Service: a token' "$(ask -H 'X-IDENTITY-HEADER: emulator' "$app_service") $(claims 'line["azm_how"]')" '200 app-service'
is '... says when it ends, and not how long it lives' "$(body '"%s %s" % (line["expires_on"].isdigit(), "expires_in" in line)')" 'True False'
for query in "client_id=$user" principal_id=o-user object_id=o-user mi_res_id=/subscriptions/s/u; do
  ask -H 'X-IDENTITY-HEADER: emulator' "$app_service&$query" >"$tmp/out"
  is "by ${query%%=*}" "$(body 'line["client_id"]')" "$user"
done
is 'another header: 401' "$(ask -H 'X-IDENTITY-HEADER: x' "$app_service") $(body 'line["statusCode"]')" '401 401'
is 'no header: 401' "$(ask "$app_service")" 401
is 'an unknown resource: 500' "$(ask -H 'X-IDENTITY-HEADER: emulator' "$app_service/x") $(body 'line["statusCode"]')" '500 500'
is 'an unknown identity: 400' "$(ask -H 'X-IDENTITY-HEADER: emulator' "$app_service&client_id=x") $(body 'line["statusCode"]')" '400 400'
is "IMDS's selector: 400" "$(ask -H 'X-IDENTITY-HEADER: emulator' "$app_service&msi_res_id=x")" 400

# --------------------------------------------------------------------------------------------- log and counters

ok 'no secret and no token is in any log' sh -c '! grep -qE "eyJ|pass&word|federated\.(one|two)|$1" "$2" "$3"' sh "$key" "$tmp/identity-log" "$tmp/requests"
is 'every request for a token is logged' "$(wc -l <"$tmp/identity-log")" "$(stats identity_requests)"
is '... with its kind' \
  "$(last "$tmp/identity-log" '[line[k] for k in ("identity", "kind", "path", "status", "resource")]')" \
  "[$(stats identity_requests), 'app-service', '/msi/token', 400, 'https://monitor.azure.com']"
is '... and counted by what was issued' "$(stats tokens)" \
  '{"client-secret":2,"client-certificate":5,"federated":2,"imds":8,"arc":1,"app-service":5}'
reset_emulator
is 'reset counts from 1 again' "$(stats identity_requests) $(stats tokens) $(wc -c <"$tmp/identity-log")" \
  '0 {"client-secret":0,"client-certificate":0,"federated":0,"imds":0,"arc":0,"app-service":0} 0'

# ---------------------------------------------------------------------------------------------------- faults

imds="$imds&resource=$monitor"
# imds : the status of a good request to IMDS
imds() {
  ask -H 'Metadata: true' "$@" "$imds"
}
script $'request * status 500\nidentity 2 status 410 header "Retry-After: 70"\nidentity 3 status 200 body "{\\"access_token\\":1}"'
is 'identity rules are counted on their own' "$(imds)$(bearer "$good" >"$tmp/out"; imds)$(answer Retry-After) $(imds)$(cat "$tmp/body")" \
  '20041070 200{"access_token":1}'
is '... and logged' "$(last "$tmp/identity-log" '[line[k] for k in ("status", "fault", "resource")] + ["token" in line]')" \
  "[200, 'status 200', 'https://monitor.azure.com', False]"
is '... and nothing was issued' "$(stats identity_faults) $(stats tokens | grep -o '"imds":.')" '2 "imds":1'
script 'identity * refuse 429 too_many "slow down" header "Retry-After: 3"'
is 'refuse: as IMDS' "$(imds) $(answer Retry-After) $(cat "$tmp/body")" '429 3 {"error":"too_many","error_description":"slow down"}'
is '... as App Service' "$(ask "$app_service") $(cat "$tmp/body")" '429 {"statusCode":429,"message":"slow down"}'
script 'identity * refuse 503 temporarily_unavailable "AADSTS90033: A transient error has occurred."'
is '... as Entra' "$(entra "${form[@]}" client_secret=x) $(body_error)" '503 temporarily_unavailable [90033]'
script $'identity 1 reset\nidentity 2 close\nidentity 3 stall 100ms\nidentity 4 garbage\nidentity 5 truncated\nidentity 6 trickle 1ms'
is 'reset' "$(imds) $(cat "$tmp/exit")" '000 56'
is 'close' "$(imds) $(cat "$tmp/exit")" '000 52'
is 'stall' "$(imds) $(cat "$tmp/exit")" '000 52'
is 'garbage' "$(imds) $(cat "$tmp/exit")" '000 1'
is 'truncated' "$(imds) $(cat "$tmp/exit")" '200 18'
is 'trickle' "$(imds) $(body 'line["token_type"]')" '200 Bearer'
script $'identity 1 endless\nidentity 2 gzip-bomb\nidentity 3 delay 10ms interim 103\nidentity 4 normal close-after\nidentity 5 normal close-unsaid'
is 'endless' "$(imds --max-time 0.5) $(cat "$tmp/exit")" '200 28'
is 'gzip-bomb' "$(imds) $(gzip -dc <"$tmp/body" | wc -c)" '200 268435456'
is 'delay and interim' "$(imds) $(grep -c '^HTTP/1.1 103' "$tmp/headers")" '200 1'
is 'close-after' "$(imds) $(answer Connection)" '200 close'
is 'close-unsaid' "$(imds) $(answer Connection)" '200 '
for fault in stored-then-reset 'partial-success 1' 'reject-records "x"' 'items 500 "x"'; do
  wrong "identity 1 $fault" 1 'makes no sense here'
done
wrong 'identity 1 containing "x" reset' 1 'known: delay interim normal status refuse reset close stall endless'
wrong 'identity 0 reset' 1 'does not number requests'

script 'identity 1-2 status 500'
once=$(assertion)
ask -H 'Metadata: true' "$arc" >"$tmp/out"
is 'what the script answers leaves no key' "$(answer WWW-Authenticate)" ''
is '... and uses no assertion up' "$(for _ in 1 2; do entra "${form[@]}" $jwt_bearer "$once"; done)" 500200
ask -H 'Metadata: true' "$arc" >"$tmp/out"
file=$(answer WWW-Authenticate)
key=$(cat "${file#Basic realm=}")
script 'identity 1 status 500'
is '... and no key of Arc' \
  "$(for _ in 1 2; do ask -H 'Metadata: true' -H "Authorization: Basic $key" "$arc"; done)" 500200

# What a client must not believe, each by the script: the directory, the suffix, a link, the size, a missing file.
ln -s "$tmp/token-key" "$tmp/arc/link.key"
head -c 4097 /dev/zero >"$tmp/arc/large.key"
for path in "$tmp/token-key.key" "$tmp/arc/x.txt" "$tmp/arc/link.key" "$tmp/arc/large.key" "$tmp/arc/none.key" "$tmp/arc/../token-key"; do
  script "identity 1 status 401 header \"WWW-Authenticate: Basic realm=$path\""
  is "Arc: a wrong path: ${path#"$tmp"/}" "$(ask -H 'Metadata: true' "$arc") $(answer WWW-Authenticate)" "401 Basic realm=$path"
done
rm "$tmp/arc/link.key" "$tmp/arc/large.key"

ok 'exit 0' stop
is 'the keys are gone' "$(find "$tmp/arc" -type f | wc -l)" 0

# ------------------------------------------------------------------------------------- the tokens of another one

start --auth --token-key "$tmp/token-key"
is 'a second emulator with the same key takes the token' "$(bearer "$good")" '204 '
ok 'exit 0' stop
start --auth --token-key "$tmp/token-key" --audience https://monitor.azure.us/
is '... but not for another audience' "$(bearer "$good")" '401 InvalidAudience'
is 'a machine without Arc: 404' "$(ask -H 'Metadata: true' "$base/arc/metadata/identity/oauth2/token")" 404
is 'without --identities there is one managed identity' \
  "$(ask -H 'Metadata: true' "$base/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://monitor.azure.us")" 200
is '... and no tenant' "$(ask -d client_id=x "$base/$tenant/oauth2/v2.0/token") $(body_error)" '400 invalid_request [90002]'
ok 'exit 0' stop
start --auth
is '... and not with another key' "$(bearer "$good")" '401 InvalidToken'
ok 'exit 0' stop
start --auth --token-lifetime 1s
ask -H 'Metadata: true' "$base/metadata/identity/oauth2/token?api-version=2018-02-01&resource=$monitor" >"$tmp/out"
short=$(token)
expired() {
  [ "$(bearer "$short")" = '401 ExpiredToken' ]
}
ok 'a token ends' eventually expired
ok 'exit 0' stop

# --------------------------------------------------------------------------------------------------------- TLS

start --tls-cert "$tmp/other-cert.pem" --tls-key "$tmp/other.pem" --identities "$tmp/identities"
cp "$tmp/other-cert.pem" "$tmp/cert.pem"
url=$base/$tenant/oauth2/v2.0/token
is 'https: the audience of an assertion is https' "$(entra "${form[@]}" $jwt_bearer "$(assertion)")" 200
ok 'exit 0' stop

done_testing
