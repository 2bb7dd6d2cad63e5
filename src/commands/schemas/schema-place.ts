/** What a schema says of one value and what is below it. */
export interface SchemaPlace {
  /** Whether the value is a secret as a whole. */
  readonly isSecret: boolean
  /** Undefined where the schema says nothing of such a member. */
  member(name: string): SchemaPlace | undefined
  item(index: number): SchemaPlace | undefined
}
