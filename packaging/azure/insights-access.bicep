// SPDX-License-Identifier: MIT
// The right to send to an Application Insights resource, and its connection string. A part of main.bicep.
targetScope = 'resourceGroup'

@description('Name of an Application Insights resource in this resource group.')
param insightsName string

@description('Object ids of the identities that may send.')
param senderPrincipalIds array

var monitoringMetricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource sender 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principalId in senderPrincipalIds: {
  scope: insights
  name: guid(insights.id, principalId, monitoringMetricsPublisher)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', monitoringMetricsPublisher)
  }
}]

@description('For connection_string=.')
output connectionString string = insights.properties.ConnectionString
