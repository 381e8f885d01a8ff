/** The object's one alarm, for all that waits. */
export class Alarm {
  readonly #storage: DurableObjectStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  /** Brings the alarm forward, never back: who finds that it came too early sets it again. */
  async by(at: number): Promise<void> {
    const set = await this.#storage.getAlarm();
    if (set === null || set > at) await this.#storage.setAlarm(at);
  }
}
