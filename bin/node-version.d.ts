export declare function isAtLeast(found: string, needed: string): boolean;
export declare function oldNodeMessage(found: string, needed: string): string;
