// SPDX-License-Identifier: MIT
// What azmonlog needs in Azure: a workspace for the records, the endpoint it sends to, the rule between the two, and the right to
// use the rule. main.json is the same as an ARM template; tests/packaging/check_azure.sh keeps the two equal.
targetScope = 'resourceGroup'

@description('Region of what is created. Endpoint and rule have to be in the region of the workspace.')
param location string = resourceGroup().location

@description('Names begin with this: PREFIX-workspace, PREFIX-dce, PREFIX-dcr, PREFIX-insights.')
@minLength(2)
@maxLength(24)
param namePrefix string = 'azmonlog'

@description('Resource id of a Log Analytics workspace. Empty: one is created.')
param workspaceId string = ''

@description('Days that a workspace created here keeps its data.')
@minValue(30)
@maxValue(730)
param retentionInDays int = 30

@description('Resource id of an Application Insights resource whose records these shall be. Empty: none, or a new one.')
param applicationInsightsId string = ''

@description('Create a workspace-based Application Insights resource, if applicationInsightsId is empty.')
param createApplicationInsights bool = false

@description('Resource id of an Azure Monitor workspace that the metrics of azmonlog shall go to. Empty: the rule takes none.')
param monitorWorkspaceId string = ''

@description('Object ids (not client ids) of the identities that may send: managed identities or service principals.')
param senderPrincipalIds array = []

@description('Disabled: what is created takes records only over a private link. Queries stay open.')
@allowed([
  'Enabled'
  'Disabled'
])
param publicNetworkAccess string = 'Enabled'

@description('Tags for what is created.')
param tags object = {}

// The name of the stream inside the rule; the URL has another one, which must not stand here.
var stream = 'Microsoft-OTel-Logs'
var metricsStream = 'Custom-Metrics-Otel'
var monitoringMetricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'
var destinationWorkspaceId = empty(workspaceId) ? workspace.id : workspaceId
var createsInsights = createApplicationInsights && empty(applicationInsightsId)
var linked = createApplicationInsights || !empty(applicationInsightsId)
var metered = !empty(monitorWorkspaceId)
var insightsId = createsInsights ? insights.id : applicationInsightsId
// ['', 'subscriptions', SUBSCRIPTION, 'resourceGroups', GROUP, ..., NAME]; a resource group's id begins in the same way
var insightsPath = split(linked ? insightsId : resourceGroup().id, '/')

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' = if (empty(workspaceId)) {
  name: '${namePrefix}-workspace'
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: retentionInDays
    publicNetworkAccessForIngestion: publicNetworkAccess
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = if (createsInsights) {
  name: '${namePrefix}-insights'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: destinationWorkspaceId
    publicNetworkAccessForIngestion: publicNetworkAccess
  }
}

resource endpoint 'Microsoft.Insights/dataCollectionEndpoints@2024-03-11' = {
  name: '${namePrefix}-dce'
  location: location
  tags: tags
  properties: {
    description: 'Takes the OTLP logs of azmonlog'
    networkAcls: {
      publicNetworkAccess: publicNetworkAccess
    }
  }
}

resource rule 'Microsoft.Insights/dataCollectionRules@2024-03-11' = {
  name: '${namePrefix}-dcr'
  location: location
  tags: tags
  properties: union({
    description: 'OTLP logs of azmonlog to table OTelLogs'
    dataCollectionEndpointId: endpoint.id
    directDataSources: {
      otelLogs: [
        union({
          name: 'azmonlog'
          streams: [
            stream
          ]
          enrichWithResourceAttributes: [
            '*'
          ]
        }, linked ? {
          enrichWithReference: 'applicationInsights'
          replaceResourceIdWithReference: true
        } : {})
      ]
    }
    destinations: {
      logAnalytics: [
        {
          name: 'workspace'
          workspaceResourceId: destinationWorkspaceId
        }
      ]
    }
    dataFlows: [
      {
        streams: [
          stream
        ]
        destinations: [
          'workspace'
        ]
      }
    ]
  }, linked ? {
    references: {
      applicationInsights: [
        {
          name: 'applicationInsights'
          resourceId: insightsId
        }
      ]
    }
  } : {}, metered ? {
    directDataSources: {
      otelMetrics: [
        union({
          name: 'azmonlogMetrics'
          streams: [
            metricsStream
          ]
          enrichWithResourceAttributes: [
            '*'
          ]
        }, linked ? {
          enrichWithReference: 'applicationInsights'
        } : {})
      ]
    }
    destinations: {
      monitoringAccounts: [
        {
          name: 'monitorWorkspace'
          accountResourceId: monitorWorkspaceId
        }
      ]
    }
    // an array takes the place of the one above
    dataFlows: [
      {
        streams: [
          stream
        ]
        destinations: [
          'workspace'
        ]
      }
      {
        streams: [
          metricsStream
        ]
        destinations: [
          'monitorWorkspace'
        ]
      }
    ]
  } : {})
}

resource sender 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principalId in senderPrincipalIds: {
  scope: rule
  name: guid(rule.id, principalId, monitoringMetricsPublisher)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', monitoringMetricsPublisher)
  }
}]

// A module, because an Application Insights resource may be in another resource group.
module insightsAccess 'insights-access.bicep' = if (linked) {
  name: '${namePrefix}-insights-access'
  scope: resourceGroup(insightsPath[2], insightsPath[4])
  params: {
    insightsName: last(insightsPath)
    senderPrincipalIds: senderPrincipalIds
  }
}

@description('For /etc/azmonlog/azmonlog.conf, one line each.')
output configuration array = [
  '[destination]'
  'dce=${endpoint.properties.logsIngestion.endpoint}'
  'dcr=${rule.properties.immutableId}'
]

@description('The same as one URL, for endpoint= or any other OTLP/HTTP client.')
output logsUrl string = '${endpoint.properties.logsIngestion.endpoint}/datacollectionRules/${rule.properties.immutableId}/streams/Microsoft-OTLP-Logs/otlp/v1/logs'

@description('The same for metrics; empty without monitorWorkspaceId.')
output metricsConfiguration array = metered ? [
  '[metrics]'
  'dce=${endpoint.properties.metricsIngestion.endpoint}'
] : []

@description('The scope for the role of further senders.')
output ruleId string = rule.id

@description('For a private link scope.')
output endpointId string = endpoint.id

@description('The workspace with the records.')
output workspaceId string = destinationWorkspaceId

@description('For connection_string=; empty without Application Insights. It is no secret.')
output connectionString string = linked ? insightsAccess!.outputs.connectionString : ''

@description('KQL: what arrived within the hour.')
output query string = 'OTelLogs | where TimeGenerated > ago(1h) | summarize Records = count(), Newest = max(TimeGenerated) by Host = tostring(ResourceAttributes["host.name"]), ServiceName'
