// SPDX-License-Identifier: MIT
// The workbook: workbook.json for a workspace, where it stands under Workbooks.
targetScope = 'resourceGroup'

@description('Resource id of the Log Analytics workspace with the records: output workspaceId of main.bicep.')
param workspaceId string

@description('Region of the workbook.')
param location string = resourceGroup().location

@description('The name that people see.')
param displayName string = 'azmonlog'

@description('Tags for the workbook.')
param tags object = {}

resource workbook 'Microsoft.Insights/workbooks@2022-04-01' = {
  name: guid(workspaceId, displayName)
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: displayName
    category: 'workbook'
    sourceId: workspaceId
    version: 'Notebook/1.0'
    serializedData: replace(loadTextContent('workbook.json'), '"value": "value::1"', '"value": "${workspaceId}"')
  }
}

@description('The workbook.')
output workbookId string = workbook.id
