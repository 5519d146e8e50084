#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""packaging/azure: does Azure get what its OTLP ingestion wants, do main.bicep and main.json agree, do the documents name what is there?

Both templates are deployed on paper (template.py) with several sets of parameters. What must come out was taken from Microsoft's own
template for OTLP and from its pages on the ingestion of OTLP. No subscription is needed, and none has seen the result."""
import json
import os
import re
import shutil
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "../lib")]
import arm
import bicep
import tap
from template import Place, Problem

source = os.path.join(here, "../..")
FOLDER = "packaging/azure"
FILES = ["main.bicep", "main.json", "insights-access.bicep"]
DOCUMENTS = [f"{FOLDER}/README.md", "docs/azure-setup.md"]
SUBSCRIPTION, OTHER = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
WORKSPACE = f"/subscriptions/{OTHER}/resourceGroups/law/providers/Microsoft.OperationalInsights/workspaces/existing"
INSIGHTS = f"/subscriptions/{OTHER}/resourceGroups/apps/providers/Microsoft.Insights/components/shop"
METRICS = f"/subscriptions/{OTHER}/resourceGroups/apps/providers/Microsoft.Monitor/accounts/existing"
SENDERS = ["33333333-3333-3333-3333-333333333333", "44444444-4444-4444-4444-444444444444"]
PUBLISHER = "/providers/Microsoft.Authorization/roleDefinitions/3913510d-42f4-4e42-8a64-420c390055eb"
API_VERSIONS = {
    "Microsoft.Insights/dataCollectionEndpoints": "2024-03-11",
    "Microsoft.Insights/dataCollectionRules": "2024-03-11",
    "Microsoft.Insights/components": "2020-02-02",
    "Microsoft.OperationalInsights/workspaces": "2023-09-01",
    "Microsoft.Authorization/roleAssignments": "2022-04-01",
}
SCENARIOS = {
    "defaults": {},
    "one sender": {"senderPrincipalIds": SENDERS[:1]},
    "a workspace": {"workspaceId": WORKSPACE, "location": "northeurope"},
    "new insights": {"createApplicationInsights": True, "senderPrincipalIds": SENDERS},
    "new insights, a workspace": {"createApplicationInsights": True, "workspaceId": WORKSPACE},
    "insights": {"applicationInsightsId": INSIGHTS, "senderPrincipalIds": SENDERS, "namePrefix": "logs"},
    "insights and new insights": {"applicationInsightsId": INSIGHTS, "createApplicationInsights": True},
    "metrics": {"monitorWorkspaceId": METRICS},
    "metrics, insights": {"monitorWorkspaceId": METRICS, "applicationInsightsId": INSIGHTS, "senderPrincipalIds": SENDERS},
    "private": {"publicNetworkAccess": "Disabled", "tags": {"owner": "ops"}, "retentionInDays": 90},
}


def strings(value):
    if isinstance(value, dict):
        value = list(value.keys()) + list(value.values())
    if isinstance(value, list):
        return [s for v in value for s in strings(v)]
    return [value] if isinstance(value, str) else []


def facts(p, made):
    """What is wrong with this outcome of a deployment with parameters `p`."""
    found = []

    def want(what, got, expected):
        if got != expected:
            found.append(f"{what}: {json.dumps(got)}, not {json.dumps(expected)}")

    def of(kind, resources):
        return [r for r in resources if r["type"] == kind]

    resources, outputs = made["resources"], made["outputs"]
    nested = of("Microsoft.Resources/deployments", resources)
    everything = resources + [r for n in nested for r in n["resources"]]
    for r in everything:
        if r not in nested:
            want(f"apiVersion of {r['type']}", r["apiVersion"], API_VERSIONS.get(r["type"]))
        if r["type"] not in ("Microsoft.Resources/deployments", "Microsoft.Authorization/roleAssignments"):
            want(f"region of {r['type']}", r["location"], p.get("location", "westeurope"))
            want(f"tags of {r['type']}", r["tags"], p.get("tags", {}))
    for r in resources:
        used = {other["id"] for other in resources for s in strings({k: v for k, v in r.items() if k not in ("id", "dependsOn")})
                if s == other["id"]}
        if not used <= set(r["dependsOn"]):
            found.append(f"{r['id']} uses {used}, but depends on {r['dependsOn']}")

    endpoint, rule = (of(f"Microsoft.Insights/dataCollection{k}", resources) for k in ("Endpoints", "Rules"))
    if len(endpoint) != 1 or len(rule) != 1:
        return found + ["one endpoint and one rule are wanted"]
    (endpoint,), (rule,) = endpoint, rule
    access = p.get("publicNetworkAccess", "Enabled")
    want("networkAcls", endpoint["properties"]["networkAcls"], {"publicNetworkAccess": access})

    workspaces = of("Microsoft.OperationalInsights/workspaces", resources)
    want("new workspaces", len(workspaces), 0 if "workspaceId" in p else 1)
    workspace = p.get("workspaceId") or workspaces[0]["id"]
    for w in workspaces:
        want("workspace", w["properties"], {"sku": {"name": "PerGB2018"}, "retentionInDays": p.get("retentionInDays", 30),
                                            "publicNetworkAccessForIngestion": access})

    components = of("Microsoft.Insights/components", resources)
    given = p.get("applicationInsightsId")
    linked = bool(given) or p.get("createApplicationInsights", False)
    want("new Application Insights", len(components), 1 if linked and not given else 0)
    insights = given or (components[0]["id"] if components else None)
    for c in components:
        want("Application Insights", (c["kind"], c["properties"]),
             ("web", {"Application_Type": "web", "WorkspaceResourceId": workspace, "publicNetworkAccessForIngestion": access}))

    rule_wanted = {
        "description": rule["properties"].get("description"),
        "dataCollectionEndpointId": endpoint["id"],
        "directDataSources": {"otelLogs": [{"name": "azmonlog", "streams": ["Microsoft-OTel-Logs"],
                                            "enrichWithResourceAttributes": ["*"]}]},
        "destinations": {"logAnalytics": [{"name": "workspace", "workspaceResourceId": workspace}]},
        "dataFlows": [{"streams": ["Microsoft-OTel-Logs"], "destinations": ["workspace"]}],
    }
    if linked:
        rule_wanted["directDataSources"]["otelLogs"][0] |= {"enrichWithReference": "applicationInsights",
                                                           "replaceResourceIdWithReference": True}
        rule_wanted["references"] = {"applicationInsights": [{"name": "applicationInsights", "resourceId": insights}]}
    metrics = p.get("monitorWorkspaceId")
    if metrics:
        rule_wanted["directDataSources"]["otelMetrics"] = [
            {"name": "azmonlogMetrics", "streams": ["Custom-Metrics-Otel"], "enrichWithResourceAttributes": ["*"]} |
            ({"enrichWithReference": "applicationInsights"} if linked else {})]
        rule_wanted["destinations"]["monitoringAccounts"] = [{"name": "monitorWorkspace", "accountResourceId": metrics}]
        rule_wanted["dataFlows"].append({"streams": ["Custom-Metrics-Otel"], "destinations": ["monitorWorkspace"]})
    want("rule", rule["properties"], rule_wanted)

    scopes = {rule["id"]: of("Microsoft.Authorization/roleAssignments", resources)}
    want("nested deployments", len(nested), 1 if linked else 0)
    for n in nested:
        want("the nested deployment is where", n["id"].split("/providers/")[0], insights.split("/providers/")[0])
        scopes[insights] = n["resources"]
    senders = p.get("senderPrincipalIds", [])
    for scope, roles in scopes.items():
        subscription = "/".join(scope.split("/")[:3])
        want(f"roles on {scope}", [(r["type"], r["scope"], r["properties"]) for r in roles],
             [("Microsoft.Authorization/roleAssignments", scope,
               {"principalId": s, "principalType": "ServicePrincipal", "roleDefinitionId": subscription + PUBLISHER}) for s in senders])
    ids = [r["id"] for r in everything]
    want("resources twice", sorted({i for i in ids if ids.count(i) > 1}), [])

    place = Place(SUBSCRIPTION, "logs")
    dce = place.properties(endpoint["id"])["logsIngestion"]["endpoint"]
    dcr = place.properties(rule["id"])["immutableId"]
    want("configuration", outputs["configuration"], ["[destination]", f"dce={dce}", f"dcr={dcr}"])
    want("logsUrl", outputs["logsUrl"], f"{dce}/datacollectionRules/{dcr}/streams/Microsoft-OTLP-Logs/otlp/v1/logs")
    metrics_dce = place.properties(endpoint["id"])["metricsIngestion"]["endpoint"]
    want("metricsConfiguration", outputs["metricsConfiguration"], ["[metrics]", f"dce={metrics_dce}"] if metrics else [])
    want("ruleId", outputs["ruleId"], rule["id"])
    want("endpointId", outputs["endpointId"], endpoint["id"])
    want("workspaceId", outputs["workspaceId"], workspace)
    want("connectionString", outputs["connectionString"], place.properties(insights)["ConnectionString"] if linked else "")
    if not outputs["query"].startswith("OTelLogs |") or re.search(r"//|\blast\b", outputs["query"]):
        found.append(f"query: {outputs['query']}")
    return found


def rules_of_arm(template):
    """What Azure Resource Manager demands of a template, apart from the outcome."""
    found = []
    for t in [template] + [r["properties"]["template"] for r in template["resources"] if "template" in r["properties"]]:
        declared = {json.dumps([r["type"], r["name"]]) for r in t["resources"]}
        for key in ("parameters", "variables", "resources"):
            texts = strings([{k: v for k, v in r.items() if "template" not in v} for r in t[key]] if key == "resources" else t[key])
            found += [f"{key}: {s} is not known before the deployment" for s in texts if "reference(" in s]
        for r in t["resources"]:
            for d in r.get("dependsOn", []):
                m = re.fullmatch(r"\[resourceId\('([^']*)', (.*)\)\]", d)
                if not m or json.dumps([m[1], f"[{m[2]}]"]) not in declared:
                    found.append(f"dependsOn {d} is not a resource of this template")
        want = {"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
                "contentVersion": "1.0.0.0"}
        found += [f"{key} is {t.get(key)}" for key, value in want.items() if t.get(key) != value]
        if t is not template and t["parameters"].keys() != {"insightsName", "senderPrincipalIds"}:
            found.append("the nested template has other parameters")
    for r in template["resources"]:
        if r["type"] == "Microsoft.Resources/deployments" and template["outputs"]["connectionString"]["value"].count(
                f"'{r['apiVersion']}'") != 1:
            found.append("a nested deployment is referred to with another apiVersion")
    return found


def differences(in_json, in_bicep, where):
    if isinstance(in_json, dict) and isinstance(in_bicep, dict) and in_json.keys() == in_bicep.keys():
        return [d for k in in_json for d in differences(in_json[k], in_bicep[k], f"{where}.{k}")]
    if isinstance(in_json, list) and isinstance(in_bicep, list) and len(in_json) == len(in_bicep):
        return [d for i, (a, b) in enumerate(zip(in_json, in_bicep)) for d in differences(a, b, f"{where}[{i}]")]
    return [] if in_json == in_bicep else [f"{where or 'all'} is {in_json} in main.json, {in_bicep} in main.bicep"]


def problems(folder):
    """All that is wrong with main.bicep and main.json in `folder`."""
    try:
        template, file = arm.load(f"{folder}/main.json"), bicep.File(f"{folder}/main.bicep")
        found = rules_of_arm(template)
        a, b = arm.signature(template), file.signature()
        found += differences(a, b, "")
        for name, p in SCENARIOS.items():
            a = arm.Template(template, p, Place(SUBSCRIPTION, "logs")).deploy()
            b = bicep.Deployment(file, p, Place(SUBSCRIPTION, "logs")).deploy()
            found += [f"{name}: {f}" for f in facts(p, a)]
            found += [f"{name}: {d}" for d in differences(a, b, "")]
        return found
    except (Problem, KeyError, ValueError, IndexError, TypeError, AttributeError) as e:
        return [f"{type(e).__name__}: {e}"]


# file, a part of it, what the part becomes
MUTATIONS = [
    ("main.json", '"stream": "Microsoft-OTel-Logs"', '"stream": "Microsoft-OTLP-Logs"'),
    ("main.json", "streams/Microsoft-OTLP-Logs/", "streams/Microsoft-OTel-Logs/"),
    ("main.json", '"apiVersion": "2024-03-11"', '"apiVersion": "2022-06-01"'),
    ("main.json", "'2024-03-11').immutableId", "'2022-06-01').immutableId"),
    ("main.json", '"apiVersion": "2022-09-01"', '"apiVersion": "2021-04-01"'),
    ("main.json", '"apiVersion": "2020-02-02"', '"apiVersion": "2015-05-01"'),
    ("main.json", "3913510d-42f4-4e42-8a64-420c390055eb", "749f88d5-cbae-40b8-bcfc-e573ddc772fa"),
    ("main.json", '"principalType": "ServicePrincipal"', '"principalType": "User"'),
    ("main.json", '"directDataSources": {', '"dataSources": {'),
    ("main.json", '"enrichWithResourceAttributes"', '"enrichWithAttributes"'),
    ("main.json", "if(variables('linked'), variables('ruleWhenLinked'), createObject())", "variables('ruleWhenLinked')"),
    ("main.json", "if(variables('linked'), variables('sourceWhenLinked'), createObject())", "variables('sourceWhenLinked')"),
    ("main.json", '"metricsStream": "Custom-Metrics-Otel"', '"metricsStream": "microsoft-otelmetrics"'),
    ("main.json", "if(variables('metered'), variables('ruleWhenMetered'), createObject())", "variables('ruleWhenMetered')"),
    ("main.json", "variables('metricsSourceWhenLinked'), createObject()", "createObject(), createObject()"),
    ("main.json", '"accountResourceId"', '"workspaceResourceId"'),
    ("main.json", ").metricsIngestion.endpoint", ").logsIngestion.endpoint"),
    ("main.json", '"replaceResourceIdWithReference": true', '"replaceResourceIdWithReference": false'),
    ("main.json", '"name": "applicationInsights"', '"name": "insights"'),
    ("main.json", '''\
        "[resourceId('Microsoft.Insights/dataCollectionEndpoints', format('{0}-dce', parameters('namePrefix')))]",
''', ""),
    ("main.json", '''\
      "dependsOn": [
        "[resourceId('Microsoft.Insights/dataCollectionRules', format('{0}-dcr', parameters('namePrefix')))]"
      ]''', '      "dependsOn": []'),
    ("main.json", '''\
        "[resourceId('Microsoft.Insights/components', format('{0}-insights', parameters('namePrefix')))]",
''', '''\
        "[resourceId('Microsoft.Insights/components', format('{0}-insight', parameters('namePrefix')))]",
'''),
    ("main.json", '"condition": "[empty(parameters(\'workspaceId\'))]",', ""),
    ("main.json", '"condition": "[variables(\'linked\')]",', ""),
    ("main.json", "Microsoft.Insights/dataCollectionRules/{0}", "Microsoft.Insights/dataCollectionEndpoints/{0}"),
    ("main.json", ", parameters('senderPrincipalIds')[copyIndex()], variables", ", variables"),
    ("main.json", "[variables('insightsPath')[4]]", "[resourceGroup().name]"),
    ("main.json", '"defaultValue": "Enabled"', '"defaultValue": "Disabled"'),
    ("main.json", '"maxValue": 730', '"maxValue": 365'),
    ("main.json", '        "Disabled"\n', '        "Disabled", "SecuredByPerimeter"\n'),
    ("main.json", '"retentionInDays": "[parameters(\'retentionInDays\')]"', '"retentionInDays": 30'),
    ("main.json", '"[[destination]"', '"[destination]"'),
    ("main.json", "'dcr={0}'", "'rule={0}'"),
    ("main.json", "reference(resourceId(variables('insightsPath')[2]", "listKeys(resourceId(variables('insightsPath')[2]"),
    ("main.json", '"tags": "[parameters(\'tags\')]",', ""),
    ("main.json", '"publicNetworkAccess": "[parameters(\'publicNetworkAccess\')]"', '"publicNetworkAccess": "Enabled"'),
    ("main.json", "Tags for what is created.", "Tags."),
    ("main.bicep", "'Microsoft-OTel-Logs'", "'Microsoft-OTLP-Logs'"),
    ("main.bicep", "otelMetrics: [", "otelMetric: ["),
    ("main.bicep", "          metricsStream\n        ]\n        destinations", "          stream\n        ]\n        destinations"),
    ("main.bicep", "metricsIngestion", "logsIngestion"),
    ("main.bicep", "dataCollectionRules@2024-03-11", "dataCollectionRules@2023-03-11"),
    ("main.bicep", "  'Disabled'\n", ""),
    ("main.bicep", "param retentionInDays int = 30", "param retentionInDays int = 31"),
    ("main.bicep", "@minValue(30)\n", ""),
    ("main.bicep", "param createApplicationInsights bool", "param createApplicationInsights string"),
    ("main.bicep", "param tags object = {}", "param tags object"),
    ("main.bicep", "dataCollectionEndpointId: endpoint.id", "dataCollectionEndpointId: workspace.id"),
    ("main.bicep", "  scope: rule\n", "  scope: endpoint\n"),
    ("main.bicep", "= if (createsInsights) {", "= {"),
    ("main.bicep", "output ruleId string = rule.id", "output rule string = rule.id"),
    ("main.bicep", "    senderPrincipalIds: senderPrincipalIds", "    senderPrincipalIds: []"),
    ("main.bicep", "    references: {", "    reference: {"),
    ("main.bicep", "createApplicationInsights && empty", "createApplicationInsights || empty"),
    ("main.bicep", "resourceGroup(insightsPath[2], insightsPath[4])", "resourceGroup(insightsPath[4], insightsPath[2])"),
    ("main.bicep", "tags: tags\n", "tags: tag\n"),
    ("main.bicep", "    ]\n        destinations", "    ] destinations"),
    ("insights-access.bicep", "components@2020-02-02", "components@2015-05-01"),
    ("insights-access.bicep", "3913510d-", "3913510e-"),
    ("insights-access.bicep", "param senderPrincipalIds array", "param senderPrincipalIds array = []"),
    ("insights-access.bicep", "properties.ConnectionString", "properties.InstrumentationKey"),
]


def templates(_):
    """main.bicep and main.json, deployed on paper"""
    found = problems(f"{source}/{FOLDER}")
    tap.check(f"the templates are right and equal in {len(SCENARIOS)} deployments", not found, "\n".join(found))


def mutations(out):
    """each of the things that could go wrong is noticed"""
    missed = []
    for i, (name, part, instead) in enumerate(MUTATIONS):
        folder = f"{out}/{i}"
        os.mkdir(folder)
        for file in FILES:
            shutil.copyfile(f"{source}/{FOLDER}/{file}", f"{folder}/{file}")
        with open(f"{folder}/{name}", encoding="utf-8") as f:
            text = f.read()
        with open(f"{folder}/{name}", "w", encoding="utf-8") as f:
            f.write(text.replace(part, instead, 1))
        if part not in text:
            missed.append(f"{name} has no {part!r}")
        elif not problems(folder):
            missed.append(f"{name}: {part!r} -> {instead!r}")
    tap.check(f"{len(MUTATIONS)} mutations are noticed", not missed, "\n".join(missed))


def documents(_):
    """what the documents say of the templates is there"""
    template = arm.load(f"{source}/{FOLDER}/main.json")
    signature = arm.signature(template)
    for name in DOCUMENTS:
        with open(f"{source}/{name}", encoding="utf-8") as f:
            text = f.read()
        unknown = {o for o in re.findall(r"outputs\.(\w+)\.value", text) if o not in signature["outputs"]}
        for command in re.findall(r"az deployment group (?:create|what-if)((?:[^\n]*\\\n)*[^\n]*)", text):
            file = re.search(r"--template-file (\S+)", command)
            given = command.split("--parameters", 1)[1] if "--parameters" in command else ""
            known = bicep.File(f"{source}/{file[1]}").of["param"] if file else signature["parameters"]
            unknown |= {p for p in re.findall(r"(?<![-\w])(\w+)=", given) if p not in known}
        tap.equal(f"{name} names only parameters and outputs that exist", unknown, set())
    tap.check("the query is the same everywhere", template["outputs"]["query"]["value"] in text)


tap.run(templates, mutations, documents)
