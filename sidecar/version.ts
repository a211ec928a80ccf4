// The version that runs.

/** Set by the bundler from package.json. */
declare const ONBEHALF_VERSION: string

export const version = typeof ONBEHALF_VERSION === 'string' ? ONBEHALF_VERSION : 'from source'
