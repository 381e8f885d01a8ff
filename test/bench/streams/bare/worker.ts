/** What stalled customers cost any Worker that streams: it makes its bytes up, and waits for each piece to be taken. */
const PIECE_BYTES = 16 * 1024;

export default {
  fetch(): Response {
    const { readable, writable } = new TransformStream<Uint8Array>();
    void write(writable.getWriter());
    return new Response(readable);
  },
};

async function write(writer: WritableStreamDefaultWriter<Uint8Array>): Promise<void> {
  try {
    for (;;) await writer.write(new Uint8Array(PIECE_BYTES));
  } catch {
    // The customer has left.
  }
}
