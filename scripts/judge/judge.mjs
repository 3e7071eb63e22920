// Answers IAM requests with @cloud-copilot/iam-simulate: one JSON request a line on standard input, one letter a request on
// standard output (A allowed, I implicitly denied, E explicitly denied), 100 letters a line.
//
// A request that names an action without resource types goes through runSimulation, because only there does the simulator
// know such actions; the others go to the evaluation itself, which takes any action and any condition key.
import { createInterface } from 'node:readline'
import { createValidatedPolicy } from '@cloud-copilot/iam-policy'
import { anonymousPrincipal, runSimulation, runUnsafeSimulation } from '@cloud-copilot/iam-simulate'

const letters = { Allowed: 'A', ImplicitlyDenied: 'I', ExplicitlyDenied: 'E' }
const named = (documents, name) => (documents ?? []).map((policy, i) => ({ name: `${name}${i}`, policy }))

async function answer(request) {
  const simulation = {
    request: {
      principal: request.principal === '' ? anonymousPrincipal : request.principal,
      action: request.action,
      resource: { resource: request.resource, accountId: request.account },
      contextVariables: request.context ?? {}
    },
    identityPolicies: named(request.identity, 'identity'),
    serviceControlPolicies: [],
    resourceControlPolicies: [],
    // The evaluation asks a resource policy for its name, which only a policy of this kind has.
    resourcePolicy: request.resourcePolicy && createValidatedPolicy(request.resourcePolicy, () => [], { name: 'resource' }),
    permissionBoundaryPolicies: request.boundary ? named([request.boundary], 'boundary') : undefined
  }
  // Service control policies and resource control policies that allow everything stand for there being none.
  const everything = (principal) => ({
    orgIdentifier: 'o-1',
    policies: [{ name: 'everything', policy: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', ...principal, Action: '*', Resource: '*' }] } }]
  })
  if (request.principal !== '') {
    simulation.serviceControlPolicies.push(everything({}))
  }
  simulation.resourceControlPolicies.push(request.resource === '*' ? { orgIdentifier: 'o-1', policies: [] } : everything({ Principal: '*' }))
  if (request.resource !== '*') {
    return runUnsafeSimulation(simulation, {})
  }
  const result = await runSimulation(simulation, {})
  if (result.resultType === 'error') {
    throw new Error(JSON.stringify(result.errors))
  }
  return result.overallResult
}

let line = ''
let count = 0
for await (const text of createInterface({ input: process.stdin })) {
  count++
  let outcome
  try {
    outcome = await answer(JSON.parse(text))
  } catch (error) {
    throw new Error(`request ${count}: ${text}`, { cause: error })
  }
  if (!letters[outcome]) {
    throw new Error(`request ${count}: outcome ${outcome}`)
  }
  line += letters[outcome]
  if (line.length === 100) {
    console.log(line)
    line = ''
  }
}
if (line) {
  console.log(line)
}
