// All commands: those of a sidecar and its mesh, and those that put it beside a service.
import { sidecarCommands, type Commands } from '../../sidecar/cli/main.ts'

export const commands: Commands = {
  ...sidecarCommands,
  inject: {
    summary: 'put a sidecar beside every pod of a Kubernetes manifest',
    load: async () => (await import('./inject.ts')).inject,
  },
  uninject: {
    summary: 'give a manifest back as it was before inject',
    load: async () => (await import('./uninject.ts')).uninject,
  },
  install: {
    summary: 'print what a cluster needs for sidecars to be injected',
    load: async () => (await import('./install.ts')).install,
  },
  injector: {
    summary: 'run the admission webhook that puts sidecars beside pods',
    load: async () => (await import('./injector.ts')).injector,
  },
}
