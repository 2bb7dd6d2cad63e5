/** The package brings no types of its own. */
declare module 'html-encoding-sniffer' {
  /** Canonical name of the encoding (Encoding Standard) of a document's bytes. */
  const sniff: (
    bytes: Uint8Array,
    options?: { xml?: boolean; transportLayerEncodingLabel?: string; defaultEncoding?: string; maxPrescanBytes?: number },
  ) => string | null
  export = sniff
}
