// What the loader of the mesh file is given, and what it names in return.
import type { Path } from './problem.ts'

/** A setting from outside the file, such as a flag. */
export interface Override {
  readonly path: Path
  readonly value: unknown
  /** How a message calls it: `--app`, `ONBEHALF_APP`. */
  readonly source: string
}

export interface MeshSource {
  /** How messages call the file. */
  readonly file: string
  readonly text: string
  /** What relative file names are relative to. Default: the folder of `file`. */
  readonly folder?: string
  /** The service that this sidecar stands beside. May be missing where the file has one only. */
  readonly service?: string
  /** How messages call what named the service. Default: `--service`. */
  readonly serviceSource?: string
  /** Settings from outside the file; they win. */
  readonly overrides?: readonly Override[]
}

/** A file that the mesh refers to, and where. */
export interface FileReference {
  readonly path: Path
  /** Resolved against the folder of the mesh file. */
  readonly file: string
}
