// All commands: those of a sidecar and its mesh, and those that put it beside a service.
import { sidecarCommands, type Commands } from '../../sidecar/cli/main.ts'

export const commands: Commands = {
  ...sidecarCommands,
}
