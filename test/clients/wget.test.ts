// wget through the sidecar.
import { testClient } from './matrix.ts'
import { wget } from './wget.ts'

testClient(wget)
