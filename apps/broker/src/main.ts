import { Vault } from '#vault';
void Vault;
