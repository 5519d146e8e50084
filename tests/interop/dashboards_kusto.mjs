// SPDX-License-Identifier: MIT
// dashboards_kusto.mjs NODE_MODULES' PARENT: what Microsoft's Kusto parser says of queries. Standard input is JSON: {"tables": {NAME: "(column: type,
// ...)"}, "queries": {NAME: KQL}}; standard output {NAME: {"problems": [...], "columns": {NAME: type}}}.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(`${process.argv[2]}/`);
require("@kusto/language-service-next/bridge.js");
require("@kusto/language-service-next/Kusto.Language.Bridge.js");
const { KustoCode, GlobalState, Symbols } = globalThis.Kusto.Language;
const { toArray } = globalThis.Bridge;

const { tables, queries } = JSON.parse(readFileSync(0, "utf8"));
const symbols = Object.entries(tables).map(([name, schema]) => Symbols.TableSymbol.From(schema).WithName(name));
const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("workspace", symbols));
const answer = {};
for (const [name, text] of Object.entries(queries)) {
  const code = KustoCode.ParseAndAnalyze(text, globals);
  const columns = {};
  for (const c of toArray(code.ResultType.Columns ?? [])) columns[c.Name] = c.Type.Name;
  answer[name] = { problems: toArray(code.GetDiagnostics()).map((d) => `${d.Severity} ${d.Code} at ${d.Start}: ${d.Message}`), columns };
}
console.log(JSON.stringify(answer));
