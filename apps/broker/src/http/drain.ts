import { Injectable } from '@nestjs/common';

/** Whether the broker still takes traffic. */
@Injectable()
export class Drain {
  #draining = false;

  get draining(): boolean {
    return this.#draining;
  }

  begin(): void {
    this.#draining = true;
  }
}
