// What the published schema says about policies: the operators, criteria and matchers of PPL, for editors.

type JsonSchema = Readonly<Record<string, unknown>>

const text: JsonSchema = { type: 'string' }
const texts: JsonSchema = { type: 'array', items: text }

/** In draft 7 nothing may stand beside a `$ref`. */
function described(description: string, schema: JsonSchema): JsonSchema {
  return '$ref' in schema ? { description, allOf: [schema] } : { description, ...schema }
}

function definition(name: string): JsonSchema {
  return { $ref: `#/definitions/${name}` }
}

const stringMatcher = definition('stringMatcher')
const stringMatcherDefinition: JsonSchema = {
  anyOf: [
    described('Equal to this.', text),
    {
      type: 'object',
      properties: {
        is: described('Equal to this.', text),
        not: described('Not equal to this.', text),
        contains: described('Has this in it.', text),
        starts_with: described('Begins with this.', text),
        ends_with: described('Ends with this.', text),
        in: described('Equal to one of these.', texts),
        not_in: described('Equal to none of these.', texts),
      },
      additionalProperties: false,
    },
  ],
}

const scalar: JsonSchema = { type: ['string', 'number', 'boolean'] }

const listMatcher = definition('listMatcher')
const listMatcherDefinition: JsonSchema = {
  anyOf: [
    described('Has this among its elements.', scalar),
    {
      type: 'object',
      properties: {
        has: described('Has this among its elements.', scalar),
        is: described('Has exactly one element, equal to this.', scalar),
        exclude: described('Does not have this among its elements.', scalar),
      },
      additionalProperties: false,
    },
  ],
}

const constant: JsonSchema = { not: { enum: [false, 'false'] } }

const identityCriteria: Readonly<Record<string, JsonSchema>> = {
  authenticated_user: described('Everybody who is signed in, and every service account.', constant),
  user: described('The id of the user, or the name of the service account.', stringMatcher),
  email: described('The email address.', stringMatcher),
  domain: described('What follows the @ of the email address.', stringMatcher),
  groups: described('The groups of the user.', listMatcher),
  issuer: described('The name of the issuer entry, or `mesh` for accounts of this mesh.', stringMatcher),
}

const claimPattern: Readonly<Record<string, JsonSchema>> = {
  '^claim/': described('A claim of the assertion, by its path: claim/family_name.', listMatcher),
}

const certificate: JsonSchema = {
  type: 'object',
  properties: {
    fingerprint: described('SHA-256 of the certificate, in hex; or a list.', { anyOf: [text, texts] }),
    spki_hash: described('SHA-256 of the public key info, in base64; or a list.', { anyOf: [text, texts] }),
    san_uri: described('A URI name of the certificate.', stringMatcher),
    uri: described('A URI name of the certificate.', stringMatcher),
  },
  additionalProperties: false,
}

function bounds(description: string, further: Readonly<Record<string, JsonSchema>> = {}): JsonSchema {
  const properties = {
    ...further,
    after: described('Later than this.', text),
    before: described('Earlier than this.', text),
  }
  return { description, type: 'object', properties, additionalProperties: false }
}

const criteria: Readonly<Record<string, JsonSchema>> = {
  accept: described('Every request.', constant),
  reject: described('No request.', constant),
  cors_preflight: described('CORS preflight requests.', constant),
  http_method: described('The method of the request.', stringMatcher),
  http_path: described('The path of the request, without the query.', stringMatcher),
  source_ip: described('The address of the caller: an address, a network, or a list of them.', {
    anyOf: [text, texts],
  }),
  client_certificate: described('The certificate of the caller, with mutual TLS.', certificate),
  date: bounds('The time of the request, between ISO 8601 dates.'),
  day_of_week: described('Days of the week, in UTC: mon-fri, or sat,sun.', text),
  time_of_day: bounds('The time of the request on the clock of a time zone.', {
    timezone: described('The time zone, such as Europe/Berlin.', text),
  }),
  ...identityCriteria,
  original_user: {
    description: 'The user on whose behalf the call is made: identity criteria, which must all hold.',
    type: 'object',
    properties: identityCriteria,
    patternProperties: claimPattern,
    additionalProperties: false,
  },
  chain: described('The accounts passed, from verified evidence.', listMatcher),
}

const criterion: JsonSchema = {
  type: 'object',
  properties: criteria,
  patternProperties: claimPattern,
  additionalProperties: false,
  minProperties: 1,
  maxProperties: 1,
}

const criterionList: JsonSchema = { type: 'array', items: definition('criterion') }

const operators = definition('operators')
const operatorsDefinition: JsonSchema = {
  type: 'object',
  properties: {
    and: described('All of these hold.', criterionList),
    or: described('At least one of these holds.', criterionList),
    not: described('None of these holds.', criterionList),
    nor: described('At least one of these does not hold.', criterionList),
  },
  additionalProperties: false,
}

const rule: JsonSchema = {
  type: 'object',
  properties: {
    allow: described('Admits requests; deny wins.', operators),
    deny: described('Refuses requests, whatever else admits them.', operators),
  },
  additionalProperties: false,
}

/** A rule of PPL, or a list of rules; refers to {@link pplDefinitions}. */
export const pplSchema: JsonSchema = { anyOf: [rule, { type: 'array', items: rule }] }

/** To be put under `definitions`. */
export const pplDefinitions: JsonSchema = {
  stringMatcher: stringMatcherDefinition,
  listMatcher: listMatcherDefinition,
  criterion,
  operators: operatorsDefinition,
}
