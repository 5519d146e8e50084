// SPDX-License-Identifier: MIT
// Alert rules over the heartbeats of azmonlog. Their queries stand in queries, what these have in common in heartbeats.kql.
targetScope = 'resourceGroup'

@description('Resource id of the Log Analytics workspace with the records: output workspaceId of main.bicep.')
param workspaceId string

@description('Region of the rules: that of the workspace.')
param location string = resourceGroup().location

@description('Names begin with this: PREFIX-silent, PREFIX-lag, PREFIX-quarantine, PREFIX-held.')
@minLength(2)
@maxLength(24)
param namePrefix string = 'azmonlog'

@description('Resource ids of the action groups that are told. Empty: the alerts are seen in the portal only.')
param actionGroupIds array = []

@description('Minutes without a heartbeat, before it is missed. Heartbeats come every 5 minutes, and take up to 5 to arrive.')
@minValue(15)
param silenceMinutes int = 20

@description('Seconds that an exporter may be behind.')
@minValue(1)
param lagSeconds int = 300

@description('Tags for the rules.')
param tags object = {}

var heartbeats = loadTextContent('queries/heartbeats.kql')
var rules = [
  {
    name: 'silent'
    displayName: 'azmonlog: no heartbeat'
    description: 'An azmonlog that sent heartbeats within a day sends none: it is down, its host is, or nothing can be delivered (azmonlog status tells which).'
    severity: 1
    every: 'PT5M'
    looksBack: 'P1D'
    query: 'let silence = ${silenceMinutes}m;\n${heartbeats}\n${loadTextContent('queries/alert_silent.kql')}'
  }
  {
    name: 'lag'
    displayName: 'azmonlog: behind'
    description: 'An azmonlog delivers, but more slowly than is logged.'
    severity: 2
    every: 'PT15M'
    looksBack: 'PT30M'
    query: 'let most = ${lagSeconds};\n${heartbeats}\n${loadTextContent('queries/alert_lag.kql')}'
  }
  {
    name: 'quarantine'
    displayName: 'azmonlog: quarantine grows'
    description: 'Azure refuses records, which azmonlog keeps (azmonlog quarantine list).'
    severity: 2
    every: 'PT15M'
    looksBack: 'PT1H'
    query: '${heartbeats}\n${loadTextContent('queries/alert_quarantine.kql')}'
  }
  {
    name: 'held'
    displayName: 'azmonlog: was held'
    description: 'Heartbeats have arrived that say that delivery was held: a configuration or a permission was wrong, or the quarantine full. They can only arrive afterwards; while it lasts, the heartbeats are missed.'
    severity: 3
    every: 'PT15M'
    looksBack: 'P2D'
    query: '${heartbeats}\n${loadTextContent('queries/alert_held.kql')}'
  }
]

resource alert 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: '${namePrefix}-${rule.name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: rule.displayName
    description: rule.description
    severity: rule.severity
    enabled: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: rule.every
    windowSize: 'PT15M'
    overrideQueryTimeRange: rule.looksBack
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          dimensions: [
            {
              name: 'Host'
              operator: 'Include'
              values: [
                '*'
              ]
            }
            {
              name: 'Source'
              operator: 'Include'
              values: [
                '*'
              ]
            }
          ]
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    // the table may have had no record yet
    skipQueryValidation: true
    actions: {
      actionGroups: actionGroupIds
    }
  }
}]
